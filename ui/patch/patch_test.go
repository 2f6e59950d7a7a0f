package patch_test

import (
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/ui/patch"
)

const sample = `diff --git a/main.go b/main.go
index 1..2 100644
--- a/main.go
+++ b/main.go
@@ -1,4 +1,4 @@ package main
 package main

-var old = 1
+var fresh = 1
 // end
@@ -20 +20,2 @@
-last
+last
+more
\ No newline at end of file
`

func TestADiffIsReadWithItsNumbers(t *testing.T) {
	p := patch.Parse(sample, 0)
	if len(p.Hunks) != 2 || p.Added != 3 || p.Removed != 2 || p.More != 0 {
		t.Fatalf("%d hunks, +%d −%d, %d more", len(p.Hunks), p.Added, p.Removed, p.More)
	}
	first := p.Hunks[0]
	if first.Head != "package main" || len(first.Lines) != 5 {
		t.Fatalf("the first hunk is %q with %d lines", first.Head, len(first.Lines))
	}
	for i, want := range []patch.Line{
		{Kind: patch.Same, Old: 1, New: 1, Text: "package main"}, {Kind: patch.Same, Old: 2, New: 2, Text: ""}, {Kind: patch.Removed, Old: 3, New: 0, Text: "var old = 1"}, {Kind: patch.Added, Old: 0, New: 3, Text: "var fresh = 1"}, {Kind: patch.Same, Old: 4, New: 4, Text: "// end"},
	} {
		if first.Lines[i] != want {
			t.Errorf("line %d is %+v, want %+v", i, first.Lines[i], want)
		}
	}
	if last := p.Hunks[1].Lines; last[2].New != 21 || last[3].Kind != patch.Note || last[3].Text != "No newline at end of file" {
		t.Errorf("the second hunk ends %+v", last)
	}
}

func TestALongDiffIsCutAndCounted(t *testing.T) {
	p := patch.Parse("@@ -0,0 +1,500 @@\n"+strings.Repeat("+line\n", 500), 100)
	if len(p.Hunks) != 1 || len(p.Hunks[0].Lines) != 100 || p.More != 400 || p.Added != 500 {
		t.Errorf("%d lines shown, %d more, %d added", len(p.Hunks[0].Lines), p.More, p.Added)
	}
}

func TestADiffWithoutHeadsIsOneHunk(t *testing.T) {
	p := patch.Parse("--- live\n+++ desired\n spec:\n-  replicas: 1\n+  replicas: 2\n", 0)
	if len(p.Hunks) != 1 || len(p.Hunks[0].Lines) != 3 || p.Added != 1 || p.Removed != 1 {
		t.Errorf("%+v", p)
	}
	if p := patch.Parse("", 0); len(p.Hunks) != 0 {
		t.Errorf("an empty diff has hunks: %+v", p)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample, 10)
	f.Add("@@ -999999999 +1 @@\nx", 0)
	f.Fuzz(func(t *testing.T, s string, most int) {
		p := patch.Parse(s, most%1000)
		n := p.More
		for _, h := range p.Hunks {
			n += len(h.Lines)
		}
		if n > strings.Count(s, "\n")+1 {
			t.Fatalf("%d lines came out of %q", n, s)
		}
	})
}
