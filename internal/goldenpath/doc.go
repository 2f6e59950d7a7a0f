// Package goldenpath is the pipeline that every commit takes: checkout, build, tests, scans, image, bill of
// materials, signature, registry, environment. It is the same on a laptop, in Jenkins, in GitHub Actions and
// under the platform's own runner, because it is one program that does all of it:
//
//	result := goldenpath.Run(ctx, goldenpath.Options{Dir: ".", Artifacts: "artifacts", …})
//	result := goldenpath.RunStage(ctx, options, "unit-test")   // one stage, the state is in the artifacts
//
// # Who is trusted
//
// This package runs with tokens; the code of the repository does not. Every command of the repository runs
// by internal/sandbox, with an environment that is made for it and holds no token, in its own process
// group, and, where the kernel can, confined to toolchain, caches and work tree.
//
// # State
//
// What is known about a run is in artifacts/run.json, written after each stage, so that twelve processes
// that run a stage each come to the same as one that runs all. The reports beside it (JUnit, SARIF,
// CycloneDX, coverage) are what the gate reads.
//
// # Ends
//
// A run ends in one of the exit codes (see [ExitOK] and the others), in every case with a summary, and with the event
// that tells how it ended. Events that could not be delivered are in artifacts/events.jsonl, and the run
// says so and fails.
package goldenpath
