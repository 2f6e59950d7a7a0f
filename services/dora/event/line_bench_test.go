package event

import "testing"

// commitLine is a line as `fawkes dora import git` writes it.
const commitLine = `{"type":"commit","at":"2026-03-04T10:11:12Z","source":"git","repo":"https://git.example/shop/checkout.git",` +
	`"sha":"9fceb02d0ae598e95dc970b74767f19372d61af8","parents":["1f7a7a472abf3dd9643fd615f6da379c4acb3e3a"],` +
	`"author":"mira@example.org","authored_at":"2026-03-04T09:55:01+01:00","committed_at":"2026-03-04T11:11:12+01:00",` +
	`"paths":["services/cart/total.go","services/cart/total_test.go","docs/cart.md"]}`

const pullRequestLine = `{"type":"pull_request","repo":"https://git.example/shop/checkout.git","number":"412","author":"mira",` +
	`"created_at":"2026-03-04T10:00:00Z","merged_at":"2026-03-05T12:30:00Z","closed_at":"2026-03-05T12:30:00Z",` +
	`"merge_sha":"9fceb02d0ae598e95dc970b74767f19372d61af8","head_sha":"1f7a7a472abf3dd9643fd615f6da379c4acb3e3a","base":"main",` +
	`"title":"Round the total once","commits":["1f7a7a472abf3dd9643fd615f6da379c4acb3e3a"]}`

func benchmarkParse(b *testing.B, line string) {
	data := []byte(line)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseLine(data, SourceBulk, "shop"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseCommitLine(b *testing.B)      { benchmarkParse(b, commitLine) }
func BenchmarkParsePullRequestLine(b *testing.B) { benchmarkParse(b, pullRequestLine) }

func BenchmarkPackCommit(b *testing.B) {
	e, err := ParseLine([]byte(commitLine), SourceBulk, "shop")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Pack(e.Body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarshalCommitLine(b *testing.B) {
	e, err := ParseLine([]byte(commitLine), SourceBulk, "shop")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := MarshalLine(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKeyOf(b *testing.B) {
	e, err := ParseLine([]byte(commitLine), SourceBulk, "shop")
	if err != nil {
		b.Fatal(err)
	}
	packed, err := Pack(e.Body)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		KeyOf(e, 0, packed)
	}
}
