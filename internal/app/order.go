package app

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/kit/module"
)

// All is the target that runs every module in one process.
const All = "all"

// Select picks the modules of a target: all of them, or one by its name.
func Select(modules []module.Module, target string) ([]module.Module, error) {
	if target == All || target == "" {
		return modules, nil
	}
	for _, m := range modules {
		if m.Name == target {
			return []module.Module{m}, nil
		}
	}
	return nil, fmt.Errorf("there is no module %q; the modules are %s", target, strings.Join(names(modules), ", "))
}

func names(modules []module.Module) []string {
	out := make([]string, len(modules))
	for i, m := range modules {
		out[i] = m.Name
	}
	slices.Sort(out)
	return out
}

// order sorts modules so that each comes after those it needs, and otherwise
// keeps the order of the list. A need outside of the list is met over the network
// when known says that such a module exists, and is a mistake otherwise. A cycle
// is an error that names it.
func order(modules []module.Module, known []string) ([]module.Module, error) {
	byName := map[string]module.Module{}
	for _, m := range modules {
		if _, twice := byName[m.Name]; twice {
			return nil, fmt.Errorf("two modules are called %q", m.Name)
		}
		byName[m.Name] = m
	}
	var sorted []module.Module
	state := map[string]int{} // 1: being visited, 2: placed
	var path []string
	var visit func(m module.Module) error
	visit = func(m module.Module) error {
		switch state[m.Name] {
		case 2:
			return nil
		case 1:
			at := slices.Index(path, m.Name)
			return fmt.Errorf("the modules need each other in a circle: %s", strings.Join(append(path[at:], m.Name), " -> "))
		}
		state[m.Name] = 1
		path = append(path, m.Name)
		for _, need := range m.Needs {
			next, here := byName[need]
			switch {
			case here:
				if err := visit(next); err != nil {
					return err
				}
			case !slices.Contains(known, need):
				return fmt.Errorf("the module %s needs %q, which does not exist", m.Name, need)
			}
		}
		path = path[:len(path)-1]
		state[m.Name] = 2
		sorted = append(sorted, m)
		return nil
	}
	for _, m := range modules {
		if err := visit(m); err != nil {
			return nil, err
		}
	}
	return sorted, nil
}
