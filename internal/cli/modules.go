package cli

import (
	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
)

// platformModules are the modules of the whole platform in one process.
func platformModules() []module.Module { return app.Modules() }
