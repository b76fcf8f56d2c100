package catalogue

// words are all texts of the pages in one language. Those with %s or %d are
// formats.
type words struct {
	Catalogue, Intro, Contents, SkipToImages, AllImages       string
	Region, VPC, VPCHint, Pin, PinHint, PinHow                string
	Copy, Copied, CopyFrom, Details                           string
	Tags, Version, Variant, Created, Digest, Size, SizeNote   string
	Platform, Compressed, Unpacked, Proof                     string
	FromTitle, AllRegions, PublicHost, VPCHost, NotPublished  string
	AbsentHere, TagElsewhere, KeptTags                        string
	Inside, NPackages, Package, License, NoLicense            string
	Filter, FilterHint, NShown, OnlyOn                        string
	Changed, ChangedSince, NoChanges, FirstRelease, Unchanged string
	NChanges, What, Before, Now, IsNew, IsGone, SizeChange    string
	KindDefinition, KindArchive, KindVersion                  string
	KindPackage, KindScript, KindLayer                        string
	Proven, ProvenPart, NotProven, Failed                     string
	Passed, Skipped, FailedStatus, NRules, SkippedRules       string
	Verify, VerifyIntro, VerifyImgbuild, VerifyCosign         string
	VerifyKey, NotSigned, KeyTitle, KeyDownload               string
	Attachments, AttachmentsIntro                             string
	Signature, SBOM, Provenance, Source                       string
	Layers, Layer, Data, MadeBy                               string
}

var english = words{
	Catalogue:    "Base images",
	Intro:        "Choose an image and copy its line into your Dockerfile.",
	Contents:     "Contents",
	SkipToImages: "Skip to content",
	AllImages:    "All images",

	Region:  "Region",
	VPC:     "VPC",
	VPCHint: "For builds on machines inside the region’s VPC",
	Pin:     "Pin by digest",
	PinHow:  "To pin a line, add the digest to its end:",
	PinHint: "The line then always means these very bytes",

	Copy:     "Copy",
	Copied:   "Copied",
	CopyFrom: "Copy the line of %s",
	Details:  "Details of %s",

	Tags:     "Tags",
	Version:  "Version",
	Variant:  "Variant",
	Created:  "Newest file",
	Digest:   "Digest",
	Size:     "Size",
	SizeNote: "Compressed is what is pulled; unpacked is what is on disk.",

	Platform:   "Platform",
	Compressed: "Compressed",
	Unpacked:   "Unpacked",
	Proof:      "Proof",

	FromTitle:    "In your Dockerfile",
	AllRegions:   "All regions",
	PublicHost:   "Public",
	VPCHost:      "VPC",
	NotPublished: "This image is in no registry.",
	AbsentHere:   "This image is not in the region that is chosen. The line is that of another one.",
	TagElsewhere: "The tag was left at another image there, so the line has the digest.",
	KeptTags:     "Tags left at an earlier image: %s",

	Inside:     "What is inside",
	NPackages:  "%d packages",
	Package:    "Package",
	License:    "Licence",
	NoLicense:  "not stated",
	Filter:     "Filter packages",
	FilterHint: "Name, version or licence",
	NShown:     "%d of %d packages",
	OnlyOn:     "%s only",

	Changed:      "What changed",
	ChangedSince: "Since %s",
	NoChanges:    "No package changed.",
	FirstRelease: "New: there was no image of this kind before.",
	Unchanged:    "Unchanged: the release before had the same image.",
	NChanges:     "%d changes since %s",
	What:         "What",
	Before:       "Before",
	Now:          "Now",
	IsNew:        "new",
	IsGone:       "removed",
	SizeChange:   "Compressed size",

	KindDefinition: "definition",
	KindArchive:    "archive",
	KindVersion:    "version",
	KindPackage:    "package",
	KindScript:     "install script",
	KindLayer:      "layer",

	Proven:       "Contract proven",
	ProvenPart:   "Contract proven on %d of %d platforms",
	NotProven:    "Contract not tried",
	Failed:       "Contract broken",
	Passed:       "passed",
	Skipped:      "not tried",
	FailedStatus: "failed",
	NRules:       "%d rules kept",
	SkippedRules: "Rules that do not apply or could not be tried",

	Verify:         "Check the signature",
	VerifyIntro:    "Each of these says whether the image is what its maker signed. The key is in the file cosign.pub.",
	VerifyImgbuild: "With imgbuild",
	VerifyCosign:   "With cosign",
	VerifyKey:      "Compare the key once with one that came to you by another way than this page.",
	NotSigned:      "The images of this release are not signed.",
	KeyTitle:       "Public key",
	KeyDownload:    "Download cosign.pub",

	Attachments:      "Beside the image",
	AttachmentsIntro: "These are tags in the same repository.",
	Signature:        "Signature",
	SBOM:             "Bill of materials (SBOM)",
	Provenance:       "Provenance",
	Source:           "Definition and lock",

	Layers: "Layers and attachments",
	Layer:  "Layer",
	Data:   "This page as data",
	MadeBy: "Made by imgbuild %s",
}

var chinese = words{
	Catalogue:    "基础镜像",
	Intro:        "选择一个镜像，把它的 FROM 行复制到你的 Dockerfile。",
	Contents:     "目录",
	SkipToImages: "跳到正文",
	AllImages:    "全部镜像",

	Region:  "地域",
	VPC:     "VPC",
	VPCHint: "用于在该地域 VPC 内的机器上构建",
	Pin:     "固定摘要",
	PinHow:  "要固定内容，请在行尾加上摘要：",
	PinHint: "这一行将始终指向完全相同的内容",

	Copy:     "复制",
	Copied:   "已复制",
	CopyFrom: "复制 %s 的 FROM 行",
	Details:  "%s 的详情",

	Tags:     "标签",
	Version:  "版本",
	Variant:  "变体",
	Created:  "最新文件",
	Digest:   "摘要",
	Size:     "大小",
	SizeNote: "“压缩后”是拉取的大小，“解压后”是占用的磁盘空间。",

	Platform:   "平台",
	Compressed: "压缩后",
	Unpacked:   "解压后",
	Proof:      "验证",

	FromTitle:    "写入 Dockerfile",
	AllRegions:   "所有地域",
	PublicHost:   "公网",
	VPCHost:      "VPC",
	NotPublished: "该镜像不在任何镜像仓库中。",
	AbsentHere:   "所选地域没有该镜像，这一行来自另一个地域。",
	TagElsewhere: "该地域的这个标签仍指向另一个镜像，因此这一行带有摘要。",
	KeptTags:     "仍指向较早镜像的标签：%s",

	Inside:     "包含的软件包",
	NPackages:  "%d 个软件包",
	Package:    "软件包",
	License:    "许可证",
	NoLicense:  "未声明",
	Filter:     "筛选软件包",
	FilterHint: "名称、版本或许可证",
	NShown:     "%d / %d 个软件包",
	OnlyOn:     "仅 %s",

	Changed:      "变更内容",
	ChangedSince: "与 %s 相比",
	NoChanges:    "软件包没有变化。",
	FirstRelease: "新增：此前没有这一系列的镜像。",
	Unchanged:    "未变化：上一次发布的就是这个镜像。",
	NChanges:     "与 %[2]s 相比有 %[1]d 处变更",
	What:         "内容",
	Before:       "之前",
	Now:          "现在",
	IsNew:        "新增",
	IsGone:       "移除",
	SizeChange:   "压缩后的大小",

	KindDefinition: "镜像定义",
	KindArchive:    "软件源",
	KindVersion:    "版本",
	KindPackage:    "软件包",
	KindScript:     "安装脚本",
	KindLayer:      "镜像层",

	Proven:       "已验证运行约定",
	ProvenPart:   "%[2]d 个平台中有 %[1]d 个已验证运行约定",
	NotProven:    "未验证运行约定",
	Failed:       "不符合运行约定",
	Passed:       "通过",
	Skipped:      "未验证",
	FailedStatus: "失败",
	NRules:       "符合 %d 条规则",
	SkippedRules: "不适用或无法验证的规则",

	Verify:         "校验签名",
	VerifyIntro:    "以下任一命令都能判断镜像是否就是发布者所签名的内容。公钥在文件 cosign.pub 中。",
	VerifyImgbuild: "使用 imgbuild",
	VerifyCosign:   "使用 cosign",
	VerifyKey:      "请至少一次通过本页面以外的途径核对公钥。",
	NotSigned:      "本次发布的镜像没有签名。",
	KeyTitle:       "公钥",
	KeyDownload:    "下载 cosign.pub",

	Attachments:      "镜像的附件",
	AttachmentsIntro: "附件以标签的形式保存在同一个仓库中。",
	Signature:        "签名",
	SBOM:             "软件物料清单（SBOM）",
	Provenance:       "构建来源证明",
	Source:           "镜像定义与锁文件",

	Layers: "镜像层与附件",
	Layer:  "层",
	Data:   "本页数据",
	MadeBy: "由 imgbuild %s 生成",
}
