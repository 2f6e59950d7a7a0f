// Package rollouts lets GitOps roll out and tell the delivery metrics, in the words of Argo CD.
package rollouts
