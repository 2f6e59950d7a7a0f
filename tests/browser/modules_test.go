package browser

import (
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/services/dora"
	"github.com/fawkes-idp/fawkes/services/identity"
	"github.com/fawkes-idp/fawkes/ui"
)

func modules() []module.Module {
	return []module.Module{identity.Module(), dora.Module(), ui.Module()}
}
