package effect

import "strings"

// Call is one call of a command in a shell script: its arguments, unquoted.
type Call []string

// Calls finds the calls of a command in the text of a shell script, without
// running it. The variable DPKG_ROOT is read as empty. Calls whose arguments
// depend on anything else that only the shell knows (variables, substitutions,
// patterns) are counted in unread. A call counts wherever it stands: in a
// function, under a condition.
func Calls(script []byte, command string) (calls []Call, unread int) {
	for _, words := range Commands(script) {
		if words[0].Text != command {
			continue
		}
		call, known := Call{}, true
		for _, w := range words[1:] {
			known = known && !w.Dynamic
			call = append(call, w.Text)
		}
		if known {
			calls = append(calls, call)
		} else {
			unread++
		}
	}
	return calls, unread
}

// Word is one word of a script, without its quotes. Dynamic words hold
// something that the shell would have replaced; Text then has it as written.
type Word struct {
	Text    string
	Dynamic bool
}

// reserved words stand before a command in the same line.
var reserved = map[string]bool{
	"if": true, "then": true, "else": true, "elif": true, "do": true, "while": true,
	"until": true, "!": true, "{": true, "(": true, "exec": true, "eval": true,
}

// Commands splits the text of a shell script into simple commands of at least
// one word, as sh reads words, quotes, continued lines, comments and
// here-documents. It knows no grammar: the patterns of a case, the words fi and
// esac and the target of a redirection are commands of their own.
func Commands(script []byte) [][]Word {
	var out [][]Word
	var cmd []Word
	end := func() {
		for len(cmd) > 0 && reserved[cmd[0].Text] {
			cmd = cmd[1:]
		}
		if len(cmd) > 0 {
			out = append(out, cmd)
		}
		cmd = nil
	}
	s := string(script)
	var heredocs []string // the ends of here-documents that begin at the next line
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case strings.HasPrefix(s[i:], "\\\n"):
			i += 2
		case strings.HasPrefix(s[i:], "<<") && !strings.HasPrefix(s[i:], "<<<"):
			end()
			var w Word
			i += 2
			for i < len(s) && strings.IndexByte("- \t", s[i]) >= 0 {
				i++
			}
			w, i = readWord(s, i)
			heredocs = append(heredocs, w.Text)
		case c == '\n':
			end()
			i++
			for _, mark := range heredocs {
				i = skipHeredoc(s, i, mark)
			}
			heredocs = nil
		case c == '#':
			for i < len(s) && s[i] != '\n' {
				i++
			}
		case strings.IndexByte(";&|()<>", c) >= 0:
			end()
			i++
		default:
			var w Word
			w, i = readWord(s, i)
			cmd = append(cmd, w)
		}
	}
	end()
	return out
}

// skipHeredoc returns the index behind the line that ends a here-document.
func skipHeredoc(s string, i int, mark string) int {
	for i < len(s) {
		line, _, _ := strings.Cut(s[i:], "\n")
		i = min(i+len(line)+1, len(s))
		if strings.TrimLeft(line, "\t") == mark {
			break
		}
	}
	return i
}

// readWord reads the word that starts at i and returns the index behind it.
func readWord(s string, i int) (Word, int) {
	var w Word
	var b strings.Builder
	for i < len(s) {
		switch c := s[i]; {
		case strings.IndexByte(" \t\r\n;&|()<>", c) >= 0:
			w.Text = b.String()
			return w, i
		case c == '\'':
			n := strings.IndexByte(s[i+1:], '\'')
			if n < 0 {
				n = len(s) - i - 1
				w.Dynamic = true
			}
			b.WriteString(s[i+1 : i+1+n])
			i = min(i+n+2, len(s))
		case c == '"':
			i = readQuoted(s, i+1, &b, &w)
		case c == '\\' && i+1 < len(s):
			if s[i+1] != '\n' {
				b.WriteByte(s[i+1])
			}
			i += 2
		case c == '$' || c == '`':
			i = readExpansion(s, i, &b, &w)
		default:
			w.Dynamic = w.Dynamic || c == '*' || c == '?' || c == '['
			b.WriteByte(c)
			i++
		}
	}
	w.Text = b.String()
	return w, i
}

// readQuoted reads what stands in double quotes, from behind the first.
func readQuoted(s string, i int, b *strings.Builder, w *Word) int {
	for i < len(s) {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c == '\\' && i+1 < len(s):
			switch {
			case s[i+1] == '\n':
			case strings.IndexByte("$`\"\\", s[i+1]) >= 0:
				b.WriteByte(s[i+1])
			default:
				b.WriteString(s[i : i+2])
			}
			i += 2
		case c == '$' || c == '`':
			i = readExpansion(s, i, b, w)
		default:
			b.WriteByte(c)
			i++
		}
	}
	w.Dynamic = true // the quote is not closed
	return i
}

// readExpansion reads $DPKG_ROOT as nothing and marks the word for all others.
func readExpansion(s string, i int, b *strings.Builder, w *Word) int {
	const name = "DPKG_ROOT"
	for _, form := range []string{"${" + name + "}", "${" + name + ":-}", "$" + name} {
		if rest, ok := strings.CutPrefix(s[i:], form); ok && (form[1] == '{' || rest == "" || !isName(rest[0])) {
			return i + len(form)
		}
	}
	w.Dynamic = true
	b.WriteByte(s[i])
	return i + 1
}

func isName(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
