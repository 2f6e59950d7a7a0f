package runtime

import (
	"fmt"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"
)

func TestStrategiesAreResolvedAsKubernetesDoes(t *testing.T) {
	one, zero, half := intstr.FromInt32(1), intstr.FromInt32(0), intstr.FromString("50%")
	for _, c := range []struct {
		replicas           int32
		surge, unavailable *intstr.IntOrString
		wantS, wantU       int
	}{
		{1, nil, nil, 1, 0}, {4, nil, nil, 1, 1}, {5, nil, nil, 2, 1}, {10, nil, nil, 3, 2},
		{3, &one, &zero, 1, 0}, {3, &zero, &zero, 0, 1}, {3, &half, &half, 2, 1}, {0, nil, nil, 0, 1},
	} {
		d := appsv1.DeploymentSpec{Replicas: &c.replicas}
		d.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxSurge: c.surge, MaxUnavailable: c.unavailable}
		if s := newStrategy(d); s.surge != c.wantS || s.unavailable != c.wantU {
			t.Errorf("%d replicas with %v and %v: surge %d, unavailable %d; want %d and %d", c.replicas, c.surge, c.unavailable, s.surge, s.unavailable, c.wantS, c.wantU)
		}
	}
	if s := newStrategy(appsv1.DeploymentSpec{}); s.replicas != 1 {
		t.Errorf("replicas that are not said are %d, want 1", s.replicas)
	}
}

// TestARollOutKeepsItsPromises plays roll-outs: instances become available, fail and end in any order. There are
// never more than replicas and surge, nothing available is stopped below replicas less unavailable, and when all
// become available the roll-out ends with exactly the wanted ones.
func TestARollOutKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := strategy{
			replicas:    rapid.IntRange(0, 6).Draw(t, "replicas"),
			surge:       rapid.IntRange(0, 3).Draw(t, "surge"),
			unavailable: rapid.IntRange(0, 3).Draw(t, "unavailable"),
		}
		if s.surge == 0 && s.unavailable == 0 {
			s.unavailable = 1
		}
		var all []member
		number := 0
		for range rapid.IntRange(0, s.replicas+s.surge).Draw(t, "old") {
			number++
			all = append(all, member{name: fmt.Sprint(number), available: rapid.Bool().Draw(t, "available"), age: number})
		}
		step := func() bool {
			before := available(all)
			start, stop := s.plan(all, 0)
			for _, name := range stop {
				i := slices.IndexFunc(all, func(m member) bool { return m.name == name })
				if i < 0 {
					t.Fatalf("stops %s, which is not there, or twice", name)
				}
				all = slices.Delete(all, i, i+1)
			}
			if after := available(all); after < before && after < s.replicas-s.unavailable {
				t.Fatalf("%d are available after stopping, want at least %d", after, s.replicas-s.unavailable)
			}
			for range start {
				number++
				all = append(all, member{name: fmt.Sprint(number), current: true, age: number})
			}
			if start > 0 && len(all) > s.replicas+s.surge {
				t.Fatalf("%d instances after a start, want at most %d", len(all), s.replicas+s.surge)
			}
			return start > 0 || len(stop) > 0
		}
		for range rapid.IntRange(0, 20).Draw(t, "events") {
			step()
			if len(all) == 0 {
				continue
			}
			i := rapid.IntRange(0, len(all)-1).Draw(t, "who")
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				all[i].available, all[i].broken = true, false
			case 1:
				all[i].available, all[i].broken = false, rapid.Bool().Draw(t, "broken")
			case 2:
				all = slices.Delete(all, i, i+1)
			}
		}
		for round := 0; ; round++ {
			for i := range all {
				all[i].available, all[i].broken = true, false
			}
			if !step() {
				break
			}
			if round > 50 {
				t.Fatal("the roll-out does not end")
			}
		}
		for _, m := range all {
			if !m.current {
				t.Fatalf("the old instance %s is left", m.name)
			}
		}
		if len(all) != s.replicas {
			t.Fatalf("%d instances in the end, want %d", len(all), s.replicas)
		}
	})
}

func available(all []member) int {
	n := 0
	for _, m := range all {
		if m.available {
			n++
		}
	}
	return n
}

func TestABrokenVersionIsReplacedThoughNothingIsAvailable(t *testing.T) {
	s := strategy{replicas: 1, surge: 0, unavailable: 1}
	start, stop := s.plan([]member{{name: "a", broken: true}}, 0)
	if start != 1 && !slices.Equal(stop, []string{"a"}) {
		t.Errorf("plan = %d, %v", start, stop)
	}
}

func TestRecreateWaitsUntilTheOldOnesAreGone(t *testing.T) {
	s := strategy{replicas: 2, recreate: true}
	old := []member{{name: "a", available: true}, {name: "b", available: true}}
	if start, stop := s.plan(old, 0); start != 0 || len(stop) != 2 {
		t.Errorf("with old ones: start %d, stop %v", start, stop)
	}
	if start, _ := s.plan(nil, 1); start != 0 {
		t.Errorf("while one is being stopped: start %d", start)
	}
	if start, _ := s.plan(nil, 0); start != 2 {
		t.Errorf("when all are gone: start %d, want 2", start)
	}
}

func TestPausesGrowAndBeginAnew(t *testing.T) {
	b := backOff{first: 10 * time.Second}
	for _, want := range []time.Duration{0, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 300 * time.Second, 300 * time.Second} {
		if got := b.next(time.Second); got != want {
			t.Errorf("the pause is %s, want %s", got, want)
		}
	}
	if got := b.next(10 * time.Minute); got != 0 {
		t.Errorf("after 10 minutes of running the pause is %s, want none", got)
	}
	if got := b.next(time.Second); got != 10*time.Second {
		t.Errorf("and then %s, want 10s", got)
	}
}
