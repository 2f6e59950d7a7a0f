package app

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/fawkes-idp/fawkes/internal/devlake"
	"github.com/fawkes-idp/fawkes/internal/kit/telemetry"
)

// setUpDevLake is the command "fawkes-service devlake PLAN": it brings a DevLake to what a plan says, and ends.
func (s Service) setUpDevLake(ctx context.Context, args []string) int {
	if len(args) == 0 {
		s.say(s.Stderr, "fawkes-service: name the file of the plan\n")
		return ExitUsage
	}
	level := ""
	flags := flag.NewFlagSet("fawkes-service devlake "+args[0], flag.ContinueOnError)
	flags.StringVar(&level, "log-level", "info", levelUsage)
	if code, ok := s.parse(flags, args[1:]); !ok {
		return code
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		s.say(s.Stderr, "fawkes-service: devlake: %v\n", err)
		return ExitUsage
	}
	plan, err := devlake.ReadPlan(text)
	if err != nil {
		s.say(s.Stderr, "fawkes-service: devlake: the plan %s is wrong:\n%v\n", args[0], err)
		return ExitUsage
	}
	changes := 0
	log, err := telemetry.NewLog(s.Stderr, level)
	if err == nil {
		changes, err = devlake.Setup(ctx, plan, (&Options{Env: s.Env}).env, log)
	}
	if err != nil {
		s.say(s.Stderr, "fawkes-service: devlake: %v\n", err)
		return ExitFailed
	}
	log.Info("DevLake is as the plan says", "changes", fmt.Sprint(changes))
	return ExitOK
}
