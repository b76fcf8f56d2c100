package mirror

import (
	"maps"
	"testing"
)

func TestGoSettings(t *testing.T) {
	client := map[string]string{"go": `{"GOPROXY": "https://client.example,direct", "GOSUMDB": "sum.example"}`}
	goenv := map[string]string{"home/user/.config/go/env": "GOFLAGS=-x\nGOPRIVATE=corp.example\nGOSUMDB=off\n"}
	for _, tt := range []struct {
		name          string
		files         map[string]string
		environ       []string
		client, flags map[string]string
		want          map[string]string
	}{
		{"client", nil, nil, client, nil,
			map[string]string{"GOPROXY": "https://client.example,direct", "GOSUMDB": "sum.example"}},
		{"file", goenv, nil, client, nil,
			map[string]string{"GOPROXY": "https://client.example,direct", "GOSUMDB": "off", "GOPRIVATE": "corp.example"}},
		{"variables", goenv, []string{"GOPROXY=https://u:p@x.example|direct", "GOSUMDB=sum.x.example", "GOFLAGS=-y"}, nil, nil,
			map[string]string{"GOPROXY": "https://u:p@x.example|direct", "GOSUMDB": "sum.x.example", "GOPRIVATE": "corp.example"}},
		{"named", nil, []string{"GOPROXY=off"}, client, map[string]string{Go: "https://a.example,https://b.example"},
			map[string]string{"GOPROXY": "https://a.example,https://b.example"}},
		{"no Go", nil, nil, nil, nil,
			map[string]string{"GOPROXY": publicURLs[Go] + ",direct", "GOSUMDB": "sum.golang.google.cn"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.files, tt.environ, tt.client)
			got, err := f.mirrors(t, tt.flags).GoSettings(t.Context())
			if err != nil || !maps.Equal(got, tt.want) {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}
