package program

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// Descendants lists the processes below root, as /proc shows them.
func Descendants(root int) []int {
	children := childrenOf
	if root == 1 || !tellsChildren(root) {
		// In a container there are few processes: all are looked at.
		all := allChildren()
		children = func(pid int) []int { return all[pid] }
	}
	var found []int
	for queue := children(root); len(queue) > 0; queue = queue[1:] {
		found = append(found, queue[0])
		queue = append(queue, children(queue[0])...)
	}
	return found
}

// tellsChildren says whether this kernel lists children of a thread
// (CONFIG_PROC_CHILDREN).
func tellsChildren(pid int) bool {
	n := strconv.Itoa(pid)
	_, err := os.Stat("/proc/" + n + "/task/" + n + "/children")
	return err == nil
}

// childrenOf reads /proc/<pid>/task/<tid>/children of all threads.
func childrenOf(pid int) []int {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	threads, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var found []int
	for _, thread := range threads {
		b, _ := ReadProc(dir + "/" + thread.Name() + "/children")
		for _, f := range bytes.Fields(b) {
			if n, err := strconv.Atoi(string(f)); err == nil {
				found = append(found, n)
			}
		}
	}
	return found
}

// allChildren reads the parent of every process.
func allChildren() map[int][]int {
	children := map[int][]int{}
	d, err := os.Open("/proc")
	if err != nil {
		return children
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if s, ok := readStat(pid); ok {
			children[s.parent] = append(children[s.parent], pid)
		}
	}
	return children
}

// stat is what /proc/<pid>/stat has of a process: its third, fourth and ninth
// field (proc(5)).
type stat struct {
	state   byte
	parent  int
	exiting bool // Linux takes it apart, or has
}

// pfExiting is PF_EXITING of linux/sched.h.
const pfExiting = 0x4

func readStat(pid int) (s stat, ok bool) {
	b, err := ReadProc("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return s, false
	}
	return parseStat(b)
}

// State is the state of a thread as proc(5) has it: R runs or wants to, D
// waits for a disk, S sleeps. 0 where there is none.
func State(pid, tid int) byte {
	b, err := ReadProc("/proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(tid) + "/stat")
	if err != nil {
		return 0
	}
	s, _ := parseStat(b)
	return s.state
}

// parseStat finds them after the second field, which is the program's name in
// parentheses and may itself hold spaces and parentheses (proc(5)).
func parseStat(line []byte) (s stat, ok bool) {
	end := bytes.LastIndexByte(line, ')')
	if end < 0 {
		return s, false
	}
	f := bytes.Fields(line[end+1:])
	if len(f) < 7 {
		return s, false
	}
	parent, err := strconv.Atoi(string(f[1]))
	if err != nil {
		return s, false
	}
	flags, err := strconv.ParseUint(string(f[6]), 10, 64)
	return stat{f[0][0], parent, flags&pfExiting != 0}, err == nil
}

// ReadProc reads a file of /proc. os.ReadFile asks the poller whether it knows
// such files each time, which takes longer than to read one.
func ReadProc(path string) ([]byte, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = syscall.Close(fd) }()
	b := make([]byte, 0, 1024)
	for {
		n, err := syscall.Read(fd, b[len(b):cap(b)])
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return nil, err
		case n == 0:
			return b, nil
		default:
			b = b[:len(b)+n]
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}
