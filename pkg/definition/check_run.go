package definition

import (
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// run checks the layer of a command.
func (c checker) run(path string, l *RunLayer) {
	if c.Has(path+"/script") && strings.TrimSpace(l.Script) == "" {
		c.Add(path+"/script", "the script is empty", "write what is to be run, or leave the layer out")
	}
	c.placeholders(path+"/script", l.Script, Placeholders())
	if l.Date != "" {
		switch t, err := time.Parse(time.RFC3339, l.Date); {
		case err != nil:
			c.Add(path+"/date", "the date "+strictyaml.Quote(l.Date)+" is none", "write it as 2026-01-02T15:04:05Z")
		case t.Unix() < 0:
			c.Add(path+"/date", "the date "+strictyaml.Quote(l.Date)+" is before 1970", "write a later one; files of layers have none before")
		}
	}
	if !c.Has(path + "/files") {
		return
	}
	c.fileList(path+"/files", l.Files)
	for i, f := range l.Files {
		at := strictyaml.At(path+"/files", i)
		if f.Dir || f.Link != "" {
			c.Add(at, "a folder or a link is given to a command", "give files; their folders are made")
		}
		if f.UID != 0 || f.GID != 0 {
			c.Add(at, "a file that is given to a command has an owner", "leave uid and gid out; the command runs as root")
		}
	}
}
