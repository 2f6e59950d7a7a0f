package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// printFields writes a JSON object for a person: a field a line in the server's order, what is
// nested indented below its name.
func (g *globals) printFields(raw []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var out bytes.Buffer
	if err := writeValue(&out, decoder, 0, ""); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	_, err := g.Out.Write(out.Bytes())
	return err
}

// writeValue reads one value and writes it under its name.
func writeValue(out io.Writer, decoder *json.Decoder, depth int, name string) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	indent := strings.Repeat("  ", depth)
	label := indent
	if name != "" {
		label = indent + strings.ReplaceAll(name, "_", " ") + ":"
	}
	switch v := token.(type) {
	case json.Delim:
		inner := depth
		if name != "" {
			inner++
			end := ""
			if !decoder.More() {
				end = " –"
			}
			fmt.Fprintln(out, label+end)
		}
		for n := 1; decoder.More(); n++ {
			key := fmt.Sprintf("%d", n)
			if v == '{' {
				token, err := decoder.Token()
				if err != nil {
					return err
				}
				key, _ = token.(string)
			}
			if err := writeValue(out, decoder, inner, key); err != nil {
				return err
			}
		}
		_, err := decoder.Token() // the closing bracket
		return err
	default:
		text := plainText(v)
		if n, ok := number(v); ok && strings.HasSuffix(name, "_seconds") {
			text = humanSeconds(n)
		}
		_, err := fmt.Fprintln(out, strings.TrimRight(label+" "+printable(orDash(text)), " "))
		return err
	}
}

// printOne writes one object: as JSON, or field by field.
func (g *globals) printOne(cmd *cobra.Command, path string, query url.Values) error {
	client, err := g.connect()
	if err != nil {
		return err
	}
	var raw []byte
	if err := client.get(cmd.Context(), path, query, &raw); err != nil {
		return err
	}
	if g.output == "json" {
		return g.printRaw(raw)
	}
	return g.printFields(raw)
}
