// Package allinone lists what the whole platform in one process runs: every
// service, the stand-ins, and the console. It stands apart from internal/app so
// that fawkes-service, which runs one service of a cluster, carries neither the
// console's pages nor the stand-ins.
package allinone

import (
	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/local/git"
	"github.com/fawkes-idp/fawkes/internal/local/gitops"
	"github.com/fawkes-idp/fawkes/internal/local/registry"
	"github.com/fawkes-idp/fawkes/internal/local/runner"
	"github.com/fawkes-idp/fawkes/ui"
)

// Modules lists the services, the stand-ins and the console.
func Modules() []module.Module {
	return append(app.Modules(), git.Module(), registry.Module(), runner.Module(), gitops.Module(), ui.Module())
}
