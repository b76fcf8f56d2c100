package emulator_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/emulator"
)

// TestOCIRuntimes runs the tests of Native with each of them.
func TestOCIRuntimes(t *testing.T) {
	testtool.Whole(t)
	tests := []string{"TestNative", "TestNativeFailures", "TestNativeFlood", "TestNativeStreams", "TestNativeMemory", "TestNativeCPU", "TestNativeFrozen"}
	for _, name := range []string{"runc", "crun"} {
		t.Run(name, func(t *testing.T) {
			testtool.Need(t, name, name)
			path, err := container.FindRuntime(name)
			if err != nil {
				t.Fatal(err)
			}
			if got := (emulator.Native{Runtime: path}).Name(); got != name {
				t.Errorf("it is called %s", got)
			}
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", "-test.run", "^("+strings.Join(tests, "|")+")$")
			cmd.Env = append(os.Environ(), "EMULATOR_TEST_RUNTIME="+path)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
			for _, test := range tests {
				if !strings.Contains(string(out), "--- PASS: "+test+" ") {
					t.Errorf("%s was not run to its end: %s", test, out)
				}
			}
		})
	}
}
