package history

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// table finds a node by its hash: open addressing over node numbers, the
// hashes themselves stand in the nodes. It holds nothing that the garbage
// collector must look at, and a tag beside each number spares most looks at
// other nodes. The seed is random, so that nobody can choose hashes that
// collide; it shows in no result.
type table struct {
	slots []slot // the length is a power of two
	used  int
	seed  [2]uint64
}

type slot struct {
	tag uint32
	n   int32 // node number + 1; 0 is free
}

func newTable() table {
	return table{slots: make([]slot, 16), seed: [2]uint64{rand.Uint64(), rand.Uint64()}}
}

func (t *table) hash(h *SHA) uint64 {
	a, b, c := binary.LittleEndian.Uint64(h[:8]), binary.LittleEndian.Uint64(h[8:16]), binary.LittleEndian.Uint32(h[16:])
	high, low := bits.Mul64(a^t.seed[0], b^t.seed[1])
	high, low = bits.Mul64(high^low^uint64(c), t.seed[0]|1)
	return high ^ low
}

// find returns the node with that hash, or none.
func (t *table) find(g *dag, h *SHA) int32 {
	x, mask := t.hash(h), uint64(len(t.slots)-1)
	for i := x & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s.n == 0 || s.tag == uint32(x>>32) && g.at(s.n-1).sha == *h {
			return s.n - 1
		}
	}
}

// put takes in a new node, and doubles the table when it gets crowded.
func (t *table) put(g *dag, n int32) {
	if t.used++; 3*t.used > 2*len(t.slots) {
		t.slots = make([]slot, 2*len(t.slots))
		for i := range n {
			t.place(t.hash(&g.at(i).sha), i)
		}
	}
	t.place(t.hash(&g.at(n).sha), n)
}

func (t *table) place(x uint64, n int32) {
	mask := uint64(len(t.slots) - 1)
	i := x & mask
	for t.slots[i].n != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = slot{tag: uint32(x >> 32), n: n + 1}
}
