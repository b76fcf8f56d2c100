package cgroup

import "strconv"

// Limits are what the processes of a group may take together; 0 is no limit.
type Limits struct {
	Memory int64   // bytes; there is no swap beside them
	CPU    float64 // cores
}

// limit is one of a controller's, as each version of cgroups has it.
type limit struct {
	controller, name string // name is for people
	v1, v2           []setting
}

// setting is a value for a file of a group.
type setting struct {
	file, value string
	optional    bool // machines without swap lack it
}

// period is the time in which a group may use its share of CPU, in µs: Linux's
// default.
const period = 100_000

func (l Limits) list() (all []limit) {
	if l.Memory > 0 {
		bytes := strconv.FormatInt(l.Memory, 10)
		all = append(all, limit{
			"memory", "memory",
			[]setting{{file: "memory.limit_in_bytes", value: bytes}, {"memory.memsw.limit_in_bytes", bytes, true}},
			[]setting{{file: "memory.max", value: bytes}, {"memory.swap.max", "0", true}},
		})
	}
	if l.CPU > 0 {
		p, quota := strconv.Itoa(period), strconv.Itoa(int(l.CPU*period+0.5))
		all = append(all, limit{
			"cpu", "CPU",
			[]setting{{file: "cpu.cfs_period_us", value: p}, {file: "cpu.cfs_quota_us", value: quota}},
			[]setting{{file: "cpu.max", value: quota + " " + p}},
		})
	}
	return all
}
