package measure

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		in   []time.Duration
		want time.Duration
	}{{[]time.Duration{5}, 5}, {[]time.Duration{9, 1, 5}, 5}, {[]time.Duration{8, 2, 4, 100}, 6}} {
		var samples []Sample
		for _, d := range tc.in {
			samples = append(samples, Sample{Wall: d, CPU: 2 * d})
		}
		if got := Median(samples); got != tc.want {
			t.Errorf("median of %v is %d, want %d", tc.in, got, tc.want)
		}
		if got := MedianCPU(samples); got != 2*tc.want {
			t.Errorf("median CPU time of %v is %d, want %d", tc.in, got, 2*tc.want)
		}
	}
}

func TestRun(t *testing.T) {
	s, err := Run(t.Context(), []string{"WORD=hello"}, "sh", "-c", `echo "$WORD"; sleep 0.05`)
	if err != nil {
		t.Fatal(err)
	}
	if string(s.Stdout) != "hello\n" || s.Wall < 50*time.Millisecond || s.MaxRSS < 100<<10 {
		t.Errorf("got %+v", s)
	}
	if _, err := Run(t.Context(), nil, "sh", "-c", "echo what went wrong >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "what went wrong") {
		t.Errorf("the error of a failed command is %v", err)
	}
}

func TestTable(t *testing.T) {
	table := Table{Head: []string{"what", "imgbuild", "ratio"}}
	table.Add("cold", Time(1500*time.Millisecond), Ratio(2*time.Second, 9*time.Second))
	table.Add("warm", Time(44*time.Millisecond), MB(86_230_140))
	var b bytes.Buffer
	table.Print(&b)
	want := "| what | imgbuild | ratio |\n| --- | ---: | ---: |\n| cold | 1.50 s | 4.5× |\n| warm | 44 ms | 86.2 MB |\n\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
