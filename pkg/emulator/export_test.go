package emulator

import "time"

// The tests' programs that write a Start line write an End line, too: on a busy
// machine it may be late.
func init() { endPatience = time.Minute }
