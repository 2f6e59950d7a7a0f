// Package ui is the console: the pages in which people read how well they deliver, and open each number to the
// deployments, commits and incidents behind it.
package ui
