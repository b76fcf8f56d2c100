package rootfs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// add appends the diversions that the package's preinst makes on a first
// installation. The script is not run: only calls of dpkg-divert that are
// reached whatever the system looks like are taken, that is, those inside no
// conditions but on the script's own first argument, and inside loops over
// literal words. Others (moves from older releases) find nothing to do on a
// new system. The audit shows people every such script when a lock is made.
func (ds diversions) add(u *unpacked) (diversions, error) {
	for _, c := range divertCalls(string(u.controlText("preinst"))) {
		d, ok, err := parseDivert(u.Name, c)
		if err != nil {
			return nil, fmt.Errorf("preinst of %s: %w", u.Package, err)
		}
		if !ok {
			continue
		}
		if i := slices.IndexFunc(ds, func(o diversion) bool { return o.from == d.from }); i < 0 {
			ds = append(ds, d)
		} else if ds[i] != d {
			return nil, fmt.Errorf("preinst of %s diverts /%s, which %s has diverted", u.Package, d.from, ds[i].by)
		}
	}
	return ds, nil
}

var (
	// onArgument are the conditions that hold on a first installation.
	onArgument = lazyregexp.New(`^(if|elif)\s+(\[|test)\s+"?\$\{?1\}?"?\s*=\s*"?install\b`)
	orInstall  = lazyregexp.New(`^(if|elif)\s+(\[|test)\s+"?\$\{?1\}?"?\s*=\s*"?upgrade"?\s*(-o|\]\s*\|\|\s*(\[|test))\s*"?\$\{?1\}?"?\s*=\s*"?install\b`)
	caseOnArg  = lazyregexp.New(`^case\s+"?\$\{?1\}?"?\s+in`)
	caseArm    = lazyregexp.New(`^\(?([a-z*| -]+)\)`)
	forLoop    = lazyregexp.New(`^for\s+([A-Za-z_][A-Za-z0-9_]*)\s+in\s+([^;$` + "`" + `]*?)\s*(;\s*do)?$`)
	statements = lazyregexp.New(`\s*;\s*(then|do)\b`)
)

// divertCalls returns the arguments of each call that is always reached.
func divertCalls(script string) [][]string {
	script = strings.ReplaceAll(script, "\\\n", " ")
	var calls [][]string
	var stack []block
	for _, line := range strings.Split(script, "\n") {
		line = strings.TrimSpace(line)
		word, _, _ := strings.Cut(line, " ")
		if word == "" || word[0] == '#' {
			continue
		}
		switch word {
		case "if":
			stack = append(stack, block{kind: "if", sure: onArgument().MatchString(line) && !strings.Contains(line, "&&") || orInstall().MatchString(line)})
		case "case":
			stack = append(stack, block{kind: "case", onArg: caseOnArg().MatchString(line)})
		case "for":
			b := block{kind: "loop"}
			if m := forLoop().FindStringSubmatch(statements().ReplaceAllString(line, "")); m != nil {
				b.sure, b.name, b.words = true, m[1], strings.Fields(m[2])
			}
			stack = append(stack, b)
		case "while", "until":
			stack = append(stack, block{kind: "loop"})
		case "else", "elif":
			if len(stack) > 0 {
				stack[len(stack)-1].sure = false
			}
		case "dpkg-divert":
			if !slices.ContainsFunc(stack, func(b block) bool { return !b.sure }) {
				calls = append(calls, expand(shellWords(line)[1:], stack)...)
			}
		default:
			// A function's body is reached only by a call of it.
			if strings.Contains(line, "()") {
				stack = append(stack, block{kind: "function"})
			} else if m := caseArm().FindStringSubmatch(line); m != nil && len(stack) > 0 && stack[len(stack)-1].kind == "case" {
				top := &stack[len(stack)-1]
				arms := strings.Split(strings.ReplaceAll(m[1], " ", ""), "|")
				top.sure = top.onArg && (slices.Contains(arms, "install") || slices.Contains(arms, "*"))
			}
		}
		stack = closeBlock(stack, line, word)
	}
	return calls
}

// block is a compound command that a line stands in.
type block struct {
	kind  string
	sure  bool // its body is reached on a first installation
	onArg bool // a case on the script's first argument
	name  string
	words []string
}

func closeBlock(stack []block, line, word string) []block {
	if len(stack) == 0 {
		return stack
	}
	ends := map[string]string{"if": "fi", "case": "esac", "loop": "done", "function": "}"}
	end := ends[stack[len(stack)-1].kind]
	last := line[strings.LastIndexAny(line, " ;")+1:]
	if strings.TrimSuffix(word, ";") == end || last == end {
		return stack[:len(stack)-1]
	}
	return stack
}

// maxCalls bounds what nested loops expand to.
const maxCalls = 1000

// expand puts the loops' words in place of their variables. Too many are left
// as they are, which parseDivert then refuses.
func expand(args []string, stack []block) [][]string {
	all := [][]string{args}
	for _, b := range stack {
		if b.kind != "loop" {
			continue
		}
		if len(all)*len(b.words) > maxCalls {
			return [][]string{args}
		}
		var next [][]string
		for _, a := range all {
			for _, w := range b.words {
				v := strings.Trim(w, `"'`)
				r := strings.NewReplacer("${"+b.name+"}", v, "$"+b.name, v)
				c := make([]string, len(a))
				for i, s := range a {
					c[i] = r.Replace(s)
				}
				next = append(next, c)
			}
		}
		all = next
	}
	return all
}

// shellWords splits a simple command and takes the quotes away.
func shellWords(line string) []string {
	var words []string
	var w strings.Builder
	var quote rune
	in := false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, in = r, true
		case quote == 0 && strings.ContainsRune(" \t", r):
			if in {
				words = append(words, w.String())
				w.Reset()
				in = false
			}
		case quote == 0 && strings.ContainsRune(";|&<>#", r):
			if in {
				words = append(words, w.String())
			}
			return words
		default:
			w.WriteRune(r)
			in = true
		}
	}
	if in {
		words = append(words, w.String())
	}
	return words
}

// parseDivert reads dpkg-divert's arguments. ok is false for calls that add
// nothing.
func parseDivert(pkg string, args []string) (d diversion, ok bool, err error) {
	d.by = pkg
	add := true // dpkg-divert(1): --add is the default action
	for i := 0; i < len(args); i++ {
		name, value, inline := strings.Cut(args[i], "=")
		if !inline && (name == "--package" || name == "--divert") {
			if i++; i < len(args) {
				value = args[i]
			}
		}
		switch name {
		case "--package":
			d.by = value
		case "--divert":
			d.to = value
		case "--local":
			d.by = ""
		case "--remove", "--list", "--listpackage", "--truename":
			add = false
		case "--add", "--rename", "--no-rename", "--quiet":
		default:
			d.from = args[i]
		}
	}
	if d.by == "$DPKG_MAINTSCRIPT_PACKAGE" || d.by == "${DPKG_MAINTSCRIPT_PACKAGE}" {
		d.by = pkg
	}
	if !add || d.from == "" {
		return d, false, nil
	}
	if d.to == "" {
		d.to = d.from + ".distrib"
	}
	for _, p := range []*string{&d.from, &d.to, &d.by} {
		if strings.ContainsAny(*p, "$`\n") {
			return d, false, fmt.Errorf("diversion of %s is not literal", d.from)
		}
	}
	if !strings.HasPrefix(d.from, "/") || !strings.HasPrefix(d.to, "/") || slices.Contains(strings.Split(d.to, "/"), "..") {
		return d, false, fmt.Errorf("diversion of %s to %s is not by absolute paths", d.from, d.to)
	}
	d.from, d.to = d.from[1:], d.to[1:]
	return d, true, nil
}
