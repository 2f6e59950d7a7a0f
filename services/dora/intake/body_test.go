package intake

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

func TestDecodeNamesTheField(t *testing.T) {
	for body, want := range map[string]string{
		`{"a":`:           "body",
		``:                "body",
		`{"a":{"b":"x"}}`: "a.b",
		`[]`:              "",
	} {
		var v struct {
			A struct {
				B int `json:"b"`
			} `json:"a"`
		}
		err := Decode([]byte(body), &v)
		var fault *event.FieldError
		if !errors.As(err, &fault) || want != "" && fault.Field != want {
			t.Errorf("%q: %v, want a fault of %q", body, err, want)
		}
	}
}

func TestTimesMayBeMissingButNotWrong(t *testing.T) {
	for _, s := range []string{"", "0001-01-01T00:00:00Z"} {
		if v, err := When("at", s); err != nil || v.Present {
			t.Errorf("%q: %+v %v, want nothing", s, v, err)
		}
		if _, err := MustWhen("at", s); err == nil || !strings.HasPrefix(err.Error(), "at: is required") {
			t.Errorf("%q: %v, want that it is required", s, err)
		}
	}
	if _, err := When("at", "soon"); err == nil || !strings.HasPrefix(err.Error(), "at: want a time") {
		t.Errorf("%v, want a fault of at", err)
	}
	if v, err := MustWhen("at", "2026-03-02T10:00:00+02:00"); err != nil || v.V.Std().Hour() != 8 {
		t.Errorf("%+v %v", v, err)
	}
}

func TestFreeTextIsMadeFit(t *testing.T) {
	if got := Clean("a\x00b\nc\xff", 100); got != "a b c\uFFFD" {
		t.Errorf("%q", got)
	}
	if got := Clean("ééé", 3); got != "é" {
		t.Errorf("cut within a character: %q", got)
	}
	if Link("https://x.example/\n").Present || Link(strings.Repeat("u", 3000)).Present || !Link("https://x.example/").Known {
		t.Error("a link that does not fit is kept, or one that does is not")
	}
}

func TestFaultsGetTheNamesOfTheSource(t *testing.T) {
	err := Rename(event.Fault("paths[3]", "is odd"), map[string]string{"paths": "files"})
	if err.Error() != "files[3]: is odd" {
		t.Error(err)
	}
	if err := Rename(errors.New("x"), nil); err.Error() != "body: x" {
		t.Error(err)
	}
}

func TestWhatIsNotInterpretedIsKeptUnderAnIDOfItsOwn(t *testing.T) {
	body := []byte(strings.Repeat("é", 8000))
	e := Other("x", "", "", "", body)
	o := e.Body.(*event.Other)
	if err := e.Validate(); err != nil || !utf8.ValidString(o.Raw) || len(o.Raw) > mostRaw || len(o.Raw) < mostRaw-3 {
		t.Errorf("%d bytes kept, %v", len(o.Raw), err)
	}
	if Other("x", "k", "", "", []byte("a")).Body.Entity() == Other("x", "k", "", "", []byte("b")).Body.Entity() {
		t.Error("two bodies share an id")
	}
	if id := Other("x", "k", "d-1", "", body).Body.Entity(); id != "d-1" {
		t.Errorf("the id %q was not kept", id)
	}
	if err := Other("x", "k", "a\nb", "", body).Validate(); err != nil {
		t.Error(err)
	}
}

// A name of spaces is no name: what came is still kept, under its own digest.
func TestWhatHasNoNameIsKeptByItsDigest(t *testing.T) {
	for _, id := range []string{"", " ", "\t\n", "\x00"} {
		e := Other("jenkins", "build.COMPLETED", id, "", []byte(`{"a":1}`))
		if err := e.Validate(); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}
