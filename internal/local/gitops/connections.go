package gitops

import (
	"context"
	"encoding/json"
	"fmt"
)

// Connections say where the other parts of the platform are, and how they are
// reached. They are stored in the module's database.
type Connections struct {
	Repository struct {
		URL    string `json:"url"`
		Branch string `json:"branch"`
		Token  string `json:"token"`
	} `json:"repository"`
	Registry struct {
		Host  string `json:"host"`
		Token string `json:"token"`
	} `json:"registry"`
	Events struct {
		URL   string `json:"url"`
		Token string `json:"token"`
	} `json:"events"`
	PublicKey     string `json:"public_key"` // PEM; images must be signed by it
	WebhookSecret string `json:"webhook_secret"`
}

func (s *Store) loadConnections(ctx context.Context) (Connections, error) {
	var c Connections
	text, err := s.Connections(ctx)
	if err != nil || text == "" {
		return c, err
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return c, fmt.Errorf("read the connections: %w", err)
	}
	return c, nil
}
