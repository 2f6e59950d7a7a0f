package road

import "context"

type noApps struct{}

func (noApps) Apps(context.Context, AppFilter) ([]App, error)              { return nil, ErrAbsent }
func (noApps) App(context.Context, string) (App, error)                    { return App{}, ErrAbsent }
func (noApps) Diff(context.Context, string) ([]ResourceDiff, error)        { return nil, ErrAbsent }
func (noApps) History(context.Context, string) ([]Sync, error)             { return nil, ErrAbsent }
func (noApps) Instances(context.Context, string) ([]Instance, error)       { return nil, ErrAbsent }
func (noApps) AppLog(context.Context, string, string, int) (string, error) { return "", ErrAbsent }
func (noApps) Environments(context.Context) (Landscape, error)             { return Landscape{}, ErrAbsent }
func (noApps) Promotions(context.Context) ([]Promotion, error)             { return nil, ErrAbsent }
func (noApps) Sync(context.Context, string, bool, bool) ([]ResourceDiff, error) {
	return nil, ErrAbsent
}
func (noApps) Rollback(context.Context, string, string) error { return ErrAbsent }
func (noApps) Promote(context.Context, string, string) error  { return ErrAbsent }
func (noApps) Restart(context.Context, string) error          { return ErrAbsent }
func (noApps) Terminate(context.Context, string) error        { return ErrAbsent }
func (noApps) Decide(context.Context, string, bool) error     { return ErrAbsent }
