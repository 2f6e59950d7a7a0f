// Package metrics computes the five delivery metrics of a project, with the
// evidence behind each number.
//
// A [View] is one version of a project's derived history, arranged for
// questions; it is built once and shared by any number of readers. A [Query]
// says which part of it is asked for, a [Profile] by whose rules. [Compute]
// answers with a [Report]; [Evidence] gives the rows behind one of its numbers;
// [Changes], [Deployments] and [Incidents] list the rows themselves.
//
// What every number keeps to:
//
//   - unknown is null, never 0, and a null always says why;
//   - a value stands beside its n, a deterministic 95 % interval and how much of
//     the input could be linked;
//   - fewer than [LevelMinimum] observations give no level;
//   - windows are half-open, [from, to), and days, weeks and months are those of
//     the project's time zone.
//
// The package is pure: no input or output, and the time is the View's AsOf.
package metrics
