package catalogue

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/imgbuild/imgbuild/internal/testtool/chromium"
)

// tab is a tab of a real Chromium that shows a catalogue.
type tab struct{ *chromium.Tab }

// open starts Chromium for a reader of lang, and a server on loopback for dir.
func open(t *testing.T, dir, lang string) *tab {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	return &tab{chromium.Open(t, server.URL+"/", lang)}
}

func (b *tab) visit(t *testing.T, path string) {
	t.Helper()
	b.Do(t, chromedp.Navigate(b.Base+path), chromedp.WaitReady(chromedp.CSS("footer")))
}

// look sets the size of the window and the colour scheme.
func (b *tab) look(t *testing.T, width int64, scheme string) {
	t.Helper()
	chromium.Call(t, b.Tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: 800, DeviceScaleFactor: 1, Mobile: width < 500})
	chromium.Call(t, b.Tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// shot keeps a picture of the whole page in the folder that CATALOGUE_SHOTS
// names, for people to look at.
func (b *tab) shot(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("CATALOGUE_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.Context, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		t.Error(err)
	}
}
