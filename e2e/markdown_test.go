package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/internal/testtool/markdown"
)

// block is a block of commands in a page of the docs.
type block struct {
	markdown.Block
	page  string
	shown string // what the next block of text has, "" where another heading is between
}

// blocksOf reads the commands of a page. (That the Chinese page has the same is a
// test of docs.)
func blocksOf(t *testing.T, page string) []block {
	t.Helper()
	p, err := markdown.Read(filepath.Join(testtool.ModuleRoot(), page))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	for _, b := range p.Blocks {
		last := len(blocks) - 1
		switch {
		case b.Lang == "sh":
			blocks = append(blocks, block{Block: b, page: page})
		case b.Lang == "text" && last >= 0 && blocks[last].Heading == b.Heading:
			blocks[last].shown = b.Text
		}
	}
	return blocks
}

// lines are the commands of a block, one by one.
func (b block) lines() []string {
	return strings.Split(strings.ReplaceAll(b.Text, "\\\n", ""), "\n")
}
