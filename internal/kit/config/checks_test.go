package config_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/config"
)

// TestAShapeSaysWhatTheCheckTakes keeps schemas that are made of shapes from refusing what the program takes.
func TestAShapeSaysWhatTheCheckTakes(t *testing.T) {
	odd := errors.New("odd")
	for _, c := range []struct {
		check     config.Check
		want      config.Shape
		good, bad []string
	}{
		{config.IsInt(-3, 1000), config.Shape{Kind: config.KindInt, Least: -3, Most: 1000}, []string{"-3", "0", "1000"}, []string{"-4", "1001", "1.5", "x", ""}},
		{config.IsBool(), config.Shape{Kind: config.KindBool}, []string{"true", "false"}, []string{"yes", ""}},
		{config.IsDuration(time.Minute, time.Hour), config.Shape{Kind: config.KindDuration}, []string{"60s", "1h", "1m30s"}, []string{"1s", "61m", "soon"}},
		{config.IsOneOf("a", "b"), config.Shape{Kind: config.KindText, Words: []string{"a", "b"}}, []string{"a", "b"}, []string{"c", ""}},
		{config.CheckFunc(func(v string) error {
			if len(v)%2 == 1 {
				return odd
			}
			return nil
		}), config.Shape{Kind: config.KindText}, []string{"", "ab"}, []string{"a"}},
	} {
		if got := c.check.Shape(); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("the shape is %+v, want %+v", got, c.want)
		}
		for _, v := range c.good {
			if err := c.check.Refuse(v); err != nil {
				t.Errorf("%+v refuses %q: %v", c.want, v, err)
			}
		}
		for _, v := range c.bad {
			if c.check.Refuse(v) == nil {
				t.Errorf("%+v takes %q", c.want, v)
			}
		}
	}
}
