package registry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // makes the driver known by its name
	"github.com/sirupsen/logrus"
)

// newUpstream makes distribution's own server over the folder. It runs nothing in the background that matters: its
// purging of old uploads is off, because garbage collection does that.
func newUpstream(ctx context.Context, folder string, log *slog.Logger) (app *handlers.App, err error) {
	secret, err := uploadSecret(filepath.Join(folder, "upload-secret"))
	if err != nil {
		return nil, err
	}
	routeLog(log)
	c := &configuration.Configuration{
		Version: configuration.CurrentVersion,
		Storage: configuration.Storage{
			"filesystem":  configuration.Parameters{"rootdirectory": filepath.Join(folder, storageFolder)},
			"delete":      configuration.Parameters{"enabled": true},
			"redirect":    configuration.Parameters{"disable": true},
			"maintenance": configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}},
		},
	}
	c.HTTP.Secret = secret
	c.HTTP.RelativeURLs = true
	c.Catalog.MaxEntries = 1000
	// Distribution says what is wrong with its configuration by a panic.
	defer func() {
		if p := recover(); p != nil {
			app, err = nil, fmt.Errorf("make the distribution server: %v", p)
		}
	}()
	return handlers.NewApp(ctx, c), nil
}

// uploadSecret signs the state that clients carry between the requests of one upload. It is made once and kept, so
// that an upload goes on after a restart.
func uploadSecret(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err == nil && len(text) >= 64 {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the upload secret: %w", err)
	}
	var b [32]byte
	_, _ = rand.Read(b[:]) // documented never to fail
	secret := hex.EncodeToString(b[:])
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the upload secret: %w", err)
	}
	return secret, nil
}

// routeLog leads what distribution logs to log, at level debug: it reports every refused request as an error, and
// what does go wrong on our side shows in the answer, which the front reports. Distribution logs to logrus' one
// logger of the process and can be given no other; nothing else in the process uses it.
func routeLog(log *slog.Logger) {
	std := logrus.StandardLogger()
	std.SetOutput(io.Discard)
	std.SetLevel(logrus.PanicLevel)
	hooks := logrus.LevelHooks{}
	if log.Enabled(context.Background(), slog.LevelDebug) {
		std.SetLevel(logrus.InfoLevel)
		hooks.Add(logHook{log})
	}
	std.ReplaceHooks(hooks)
}

type logHook struct{ log *slog.Logger }

// Levels are those that are led on.
func (logHook) Levels() []logrus.Level { return logrus.AllLevels }

// Fire leads one entry on.
func (h logHook) Fire(e *logrus.Entry) error {
	args := []any{"level", e.Level.String()}
	for _, key := range []string{"http.request.method", "http.request.uri", "http.response.status", "err.code", "err.message", "vars.name"} {
		if v, ok := e.Data[key]; ok {
			args = append(args, key, v)
		}
	}
	h.log.Debug("distribution: "+e.Message, args...)
	return nil
}
