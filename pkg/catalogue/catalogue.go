// Package catalogue writes a release as web pages for people who choose a base
// image: what there is, what is inside, what changed, and the line to copy. The
// pages are plain files in English and Chinese. They need no server, load
// nothing from elsewhere, and work without JavaScript.
package catalogue

import (
	"context"
	"fmt"

	"github.com/imgbuild/imgbuild/pkg/release"
)

// Write writes the pages of r into the folder dir, which is made where it is
// not there:
//
//	index.html              all images
//	images/NAME-TAG.html    one image
//	zh/…                    the same in Chinese
//	release.json            r
//	cosign.pub              r's public key, where it has one
//
// Each file is replaced as a whole, the index last; a file that stays as it was
// is not touched. Pages of images that r no longer has are removed. Other files
// in dir are left alone, and one that is in the way, an index.html that is
// someone else's, is an error before anything is written.
//
// What is written depends on r only.
func Write(ctx context.Context, dir string, r *release.Report) error {
	files, err := render(r)
	if err != nil {
		return fmt.Errorf("making the catalogue: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := writeAll(ctx, dir, files); err != nil {
		return fmt.Errorf("writing the catalogue to %s: %w", dir, err)
	}
	return nil
}

// file is one of the catalogue's, by its slash-separated path in the folder.
type file struct {
	path string
	data []byte
}

// render makes all files, in the order in which they are to be written: what
// is linked to before what links to it.
func render(r *release.Report) ([]file, error) {
	s, err := newSite(r)
	if err != nil {
		return nil, err
	}
	var images, indexes []file
	for _, l := range languages {
		for _, img := range s.images {
			data, err := s.imagePage(l, img)
			if err != nil {
				return nil, err
			}
			images = append(images, file{l.dir + img.File, data})
		}
		data, err := s.indexPage(l)
		if err != nil {
			return nil, err
		}
		// The root's index is the first language's, and the last file.
		indexes = append([]file{{l.dir + "index.html", data}}, indexes...)
	}
	report, err := r.Marshal()
	if err != nil {
		return nil, err
	}
	files := append(images, file{"release.json", report})
	if r.PublicKey != "" {
		files = append(files, file{"cosign.pub", []byte(r.PublicKey)})
	}
	return append(files, indexes...), nil
}
