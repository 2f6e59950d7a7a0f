package cli

import (
	"github.com/fawkes-idp/fawkes/internal/app/allinone"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
)

// platformModules are the modules of the whole platform in one process.
func platformModules() []module.Module { return allinone.Modules() }
