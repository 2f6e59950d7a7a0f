// Package hostile turns a running service's worst clients against it: bodies of
// a hundred megabytes, bombs, endless nesting, wrong types at every operation,
// clients that trickle, ten thousand connections. Meanwhile honest clients go on
// reporting, and must hardly notice; the process's memory must not grow with
// what is thrown at it.
package hostile
