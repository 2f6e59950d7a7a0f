package app

import (
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/services/dora"
	"github.com/fawkes-idp/fawkes/services/identity"
)

// Modules lists every service, by name and by hand: what runs is read here, and
// nowhere else does a package register itself.
func Modules() []module.Module {
	return []module.Module{
		identity.Module(),
		dora.Module(),
	}
}
