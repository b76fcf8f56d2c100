package emulator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/dockerd"
)

// Of an imgbuild that is killed the program's containers get SIGTERM, and those
// whose first process does not heed it stay. Their names say whose they are, so
// that the next imgbuild removes them.
const namePrefix = "imgbuild-"

// containerName is that of an instance of this process.
func containerName(id string) string {
	return namePrefix + machine() + "-" + processName(os.Getpid()) + "-" + id
}

// machine tells where process numbers mean the same: one boot of one machine, in
// one PID namespace. A daemon may be many machines' and many containers'.
var machine = sync.OnceValue(func() string {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	namespace, _ := os.Readlink("/proc/self/ns/pid")
	sum := sha256.Sum256([]byte(string(boot) + namespace))
	return fmt.Sprintf("%x", sum[:6])
})

// processName is a process's number and when it began, in ticks since boot (proc(5),
// /proc/PID/stat, field 22); "" where there is no such process.
func processName(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]) // from the third on
	const began = 22 - 3
	if len(fields) <= began {
		return ""
	}
	return strconv.Itoa(pid) + "-" + string(fields[began])
}

// orphaned says whether a container is that of an imgbuild of this machine which
// has ended.
func orphaned(name string) bool {
	owner, ours := strings.CutPrefix(name, namePrefix+machine()+"-")
	number, _, found := strings.Cut(owner, "-")
	pid, err := strconv.Atoi(number)
	return ours && found && err == nil && !strings.HasPrefix(owner, processName(pid)+"-")
}

// sweeping remembers which programs' daemons have been swept.
var sweeping sync.Map

// sweep removes what others have left, once in a process for each daemon. That it
// fails is nobody's concern: whoever comes next tries again.
func (c CLI) sweep(ctx context.Context) {
	if _, done := sweeping.LoadOrStore(fmt.Sprint(c.Program, c.Env), true); done {
		return
	}
	names, err := c.containers(ctx)
	if err != nil {
		return
	}
	for _, name := range names {
		if orphaned(name) {
			_ = (&cliInstance{cli: c, name: name}).remove(ctx)
		}
	}
}

// containers are the names of all that imgbuild has started, whoever it was.
func (c CLI) containers(ctx context.Context) (names []string, err error) {
	err = c.ask(ctx, func(ctx context.Context, api dockerd.API) error {
		res, err := api.Do(ctx, http.MethodGet, "/containers/json", url.Values{"all": {"1"}, "filters": {`{"name":["` + namePrefix + `"]}`}}, nil)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		var all []struct{ Names []string }
		if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
			return fmt.Errorf("reading the daemon's list of containers: %w", err)
		}
		for _, one := range all {
			for _, name := range one.Names {
				names = append(names, strings.TrimPrefix(name, "/"))
			}
		}
		return nil
	}, func() error {
		out, err := c.command(ctx, "ps", "--all", "--filter", "name="+namePrefix, "--format", "{{.Names}}")
		names = strings.Fields(out)
		return err
	})
	return names, err
}
