// Package report reads and writes what the stages of a pipeline leave behind, in the formats that other
// programs understand: test results as JUnit XML, findings as SARIF 2.1.0, contents as CycloneDX 1.6,
// coverage as Go's cover profile.
//
// # Reading what others wrote
//
// No two test runners agree on JUnit XML, so it is read leniently ([ReadJUnit]): suites in suites, cases
// without a suite, bytes that XML does not allow, counts that do not fit. The counts in a file are never
// believed; they are counted again from the cases. [GoTest] and [ReadTAP] give the same value from the
// streams of `go test -json` and of TAP.
//
// Findings of any scanner become one SARIF document ([ReadSARIF], [Staticcheck], [Gosec], [MergeSARIF]),
// whose [SARIF.Findings] are what a gate decides on. A secret that a scanner found must not be published
// by the report that says so: [SARIF.Redact] takes it out.
//
// # What may be relied on
//
// The input is written by the code under test and is not to be trusted. Every reader stops at a limit of
// size, of depth and of entries and says which; text is made valid UTF-8 without control characters; and
// nothing here opens a file, starts a program or reads a clock.
package report
