package git_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHistoryAndFilesAreBrowsed(t *testing.T) {
	p := start(t)
	dir := p.work("shop/api")
	first := p.git(dir, "rev-parse", "HEAD")
	p.commit(dir, "src/größe/datei mit \"name\".txt", "äöü\n", "Add größe\n\nWith a body\nof two lines.")
	if err := os.WriteFile(filepath.Join(dir, "bin"), []byte("a\x00b"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("README.md", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	p.git(dir, "mv", "README.md", "READ.md")
	head := p.commit(dir, "src/a.txt", "one\ntwo\n", "Rename [the] readme")
	p.git(dir, "tag", "v1")
	p.git(dir, "push", "--quiet", "origin", "main", "v1", "main~1:refs/heads/feature/x")
	at := "/repositories/shop/api"

	log := items(p.want(200, p.read, "GET", at+"/log", ""))
	if len(log) != 3 || log[0]["sha"] != head || log[0]["authored_at"] != "2026-03-01T09:00:00Z" || log[1]["subject"] != "Add größe" || log[1]["body"] != "With a body\nof two lines." ||
		fmt.Sprint(log[2]["parents"]) != "[]" {
		t.Fatalf("the log is %v", log)
	}
	page := p.want(200, p.read, "GET", at+"/log?limit=2", "")
	rest := items(p.want(200, p.read, "GET", at+"/log?limit=2&cursor="+page["next_cursor"].(string), ""))
	if len(rest) != 1 || rest[0]["sha"] != first {
		t.Fatalf("the second page is %v", rest)
	}
	if got := items(p.want(200, p.read, "GET", at+"/log?q="+url.QueryEscape("[THE]"), "")); len(got) != 1 || got[0]["sha"] != head {
		t.Fatalf("the search found %v", got)
	}
	if got := items(p.want(200, p.read, "GET", at+"/log?ref=v1&path="+url.QueryEscape("src/größe"), "")); len(got) != 1 {
		t.Fatalf("the log of a folder is %v", got)
	}
	tree := p.want(200, p.read, "GET", at+"/tree", "")
	names := ""
	for _, e := range tree["entries"].([]any) {
		names += fmt.Sprint(e.(map[string]any)["name"], ":", e.(map[string]any)["type"], " ")
	}
	if names != "READ.md:blob bin:blob link:blob src:tree " || tree["sha"] != head {
		t.Fatalf("the root is %s", names)
	}
	odd := "src/größe/datei mit \"name\".txt"
	sub := p.want(200, p.read, "GET", at+"/tree?ref=feature/x&path="+url.QueryEscape("src/größe"), "")["entries"].([]any)
	if len(sub) != 1 || sub[0].(map[string]any)["path"] != odd || sub[0].(map[string]any)["size"] != 7.0 {
		t.Fatalf("the folder is %v", sub)
	}
	if f := p.want(200, p.read, "GET", at+"/file?path="+url.QueryEscape(odd), ""); f["text"] != "äöü\n" || f["binary"] != false || f["size"] != 7.0 {
		t.Fatalf("the file is %v", f)
	}
	if f := p.want(200, p.read, "GET", at+"/file?path=bin", ""); f["binary"] != true || f["text"] != "" {
		t.Fatalf("the binary file is %v", f)
	}
	commit := p.want(200, p.read, "GET", at+"/commits/"+head[:9], "")
	changes := map[string]map[string]any{}
	for _, f := range commit["files"].([]any) {
		changes[f.(map[string]any)["path"].(string)] = f.(map[string]any)
	}
	if r := changes["READ.md"]; r["status"] != "renamed" || r["old_path"] != "README.md" {
		t.Fatalf("the renamed file is %v", r)
	}
	if a := changes["src/a.txt"]; a["status"] != "added" || a["added"] != 2.0 || !strings.Contains(a["patch"].(string), "+two\n") {
		t.Fatalf("the added file is %v", a)
	}
	if b := changes["bin"]; b["binary"] != true || len(changes) != 4 {
		t.Fatalf("the changes are %v", changes)
	}
	if c := p.want(200, p.read, "GET", at+"/commits/"+first, ""); len(c["files"].([]any)) != 1 {
		t.Fatalf("the first commit changes %v", c["files"])
	}
	cmp := p.want(200, p.read, "GET", at+"/compare/"+url.PathEscape("feature/x...main"), "")
	if cmp["ahead"] != 1.0 || len(cmp["commits"].([]any)) != 1 || len(cmp["files"].([]any)) != 4 || cmp["head_sha"] != head {
		t.Fatalf("the comparison is %v", cmp)
	}
	refs := items(p.want(200, p.read, "GET", at+"/refs", ""))
	if len(refs) != 3 || refs[1]["name"] != "main" || refs[1]["default"] != true || refs[2]["kind"] != "tag" {
		t.Fatalf("the references are %v", refs)
	}
}

func TestAnEmptyRepositoryIsShownAsOne(t *testing.T) {
	p := start(t)
	r := p.want(200, p.write, "PUT", "/repositories/shop/new", `{}`)
	if r["head_sha"] != nil || r["pushed_at"] != nil || r["default_branch"] != "main" || fmt.Sprint(r["protected"]) != "[map[allow_delete:false allow_force:false branch:main]]" {
		t.Fatalf("the repository is %v", r)
	}
	if got := items(p.want(200, p.read, "GET", "/repositories/shop/new/log", "")); len(got) != 0 {
		t.Fatalf("its log is %v", got)
	}
	p.want(404, p.read, "GET", "/repositories/shop/new/tree", "")
	p.want(403, p.write, "DELETE", "/repositories/shop/new", "")
	p.want(204, p.admin, "DELETE", "/repositories/shop/new", "")
	p.want(404, p.read, "GET", "/repositories/shop/new", "")
	if _, err := os.Stat(p.bare("shop/new")); err == nil {
		t.Fatal("the folder of a removed repository is there")
	}
}

func TestAPushMakesARepositoryAndItsFirstBranchTheDefault(t *testing.T) {
	p := start(t)
	dir := p.work("team/new")
	p.git(dir, "push", "--quiet", "--dry-run", "origin", "main")
	p.want(404, p.read, "GET", "/repositories/team/new", "")
	p.git(dir, "push", "--quiet", "origin", "main:trunk")
	r := p.want(200, p.read, "GET", "/repositories/team/new", "")
	if r["default_branch"] != "trunk" || fmt.Sprint(r["protected"]) != "[map[allow_delete:false allow_force:false branch:trunk]]" {
		t.Fatalf("the repository is %v", r)
	}
	if got := items(p.want(200, p.read, "GET", "/repositories?q=TEAM", "")); len(got) != 1 {
		t.Fatalf("the search found %v", got)
	}
}

// What callers name reaches git neither as an option nor as its language of revisions.
func TestHostileNamesAreRefused(t *testing.T) {
	p := start(t)
	dir := p.work("shop/api")
	p.git(dir, "push", "--quiet", "origin", "main")
	at := "/repositories/shop/api"
	for _, ref := range []string{"--output=/tmp/x", "-v", "main@{1}", "main~1", ":/Begin", "HEAD^{tree}", "main..main", "../../x", "refs/heads/../x", "@", "main\n", "\x00", "a b", strings.Repeat("x", 201)} {
		if status, out := p.call(p.read, "GET", at+"/log?ref="+url.QueryEscape(ref), ""); status < 400 || status >= 500 {
			t.Errorf("the reference %q: %d %v", ref, status, out)
		}
	}
	for _, path := range []string{"../x", "/etc/passwd", "a//b", "./README.md", "--", ":(top)README.md", "a\nb", "*"} {
		if status, out := p.call(p.read, "GET", at+"/file?path="+url.QueryEscape(path), ""); status < 400 || status >= 500 {
			t.Errorf("the path %q: %d %v", path, status, out)
		}
		status, out := p.call(p.read, "GET", at+"/log?path="+url.QueryEscape(path), "")
		if status >= 500 || status < 400 && len(items(out)) > 0 {
			t.Errorf("the log of the path %q: %d %v", path, status, out)
		}
	}
	for _, name := range []string{"..%2Fx/y", "a/..", "A/b", "a/b.git", "-a/b", "a/-b", ".a/b", "a/b.lock", "a%00/b", "a%2Fb/c", strings.Repeat("a", 65) + "/b", "a/%2e%2e"} {
		if status, out := p.call(p.admin, "PUT", "/repositories/"+name, "{}"); status == 200 {
			t.Errorf("a repository was made with the name %q: %v", name, out)
		}
	}
	found, err := filepath.Glob(filepath.Join(p.state, "git", "repositories", "*", "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the server keeps %v (%v), want the one repository", found, err)
	}
}
