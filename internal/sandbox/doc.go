// Package sandbox is AWS on a loopback address: one listener for all services,
// where every request's signature is verified and every call is decided by
// package iam before the service runs.
package sandbox
