// Package pipeline runs the golden path and reads what the delivery metrics made of what it told.
package pipeline
