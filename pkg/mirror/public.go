package mirror

// publicURLs are Alibaba Cloud's public mirrors, https://developer.aliyun.com/mirror/
// and https://npmmirror.com. They need no account and serve the same bytes as
// the archives they mirror.
var publicURLs = map[string]string{
	Debian:         "https://mirrors.aliyun.com/debian",
	DebianSecurity: "https://mirrors.aliyun.com/debian-security",
	Go:             "https://mirrors.aliyun.com/goproxy",
	NPM:            "https://registry.npmmirror.com",
}

func public(archive string) Base {
	return Base{URL: publicURLs[archive], From: "Alibaba Cloud's public mirror", Archive: archive}
}
