// Package allinone lists what the whole platform in one process runs: every
// service, and the console. It stands apart from internal/app so that
// fawkes-service, which runs one service of a cluster, does not carry the
// console's pages.
package allinone

import (
	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/local/git"
	"github.com/fawkes-idp/fawkes/internal/local/runner"
	"github.com/fawkes-idp/fawkes/ui"
)

// Modules lists the services, what stands in for others on a laptop, and the console.
func Modules() []module.Module {
	return append(app.Modules(), git.Module(), runner.Module(), ui.Module())
}
