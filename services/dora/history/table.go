package history

import "hash/maphash"

// table finds a node by its hash: open addressing over node numbers, the
// hashes themselves stand in the nodes. It is a third of the size of a map and
// holds nothing that the garbage collector must look at. The seed is random, so
// that nobody can choose hashes that collide.
type table struct {
	slots []int32 // node number + 1; 0 is free; the length is a power of two
	used  int
	seed  maphash.Seed
}

func newTable() table { return table{slots: make([]int32, 16), seed: maphash.MakeSeed()} }

// find returns the node with that hash, or none, and the slot where it stands
// or belongs.
func (t *table) find(nodes []node, h *SHA) (n int32, slot int) {
	mask := len(t.slots) - 1
	for slot = int(maphash.Bytes(t.seed, h[:])) & mask; ; slot = (slot + 1) & mask {
		n = t.slots[slot] - 1
		if n == none || nodes[n].sha == *h {
			return n, slot
		}
	}
}

// put takes a new node into the slot that find returned, and grows the table
// when three quarters are in use.
func (t *table) put(nodes []node, n int32, slot int) {
	t.slots[slot] = n + 1
	t.used++
	if 4*t.used <= 3*len(t.slots) {
		return
	}
	old := t.slots
	t.slots = make([]int32, 2*len(old))
	mask := len(t.slots) - 1
	for _, v := range old {
		if v == 0 {
			continue
		}
		slot := int(maphash.Bytes(t.seed, nodes[v-1].sha[:])) & mask
		for t.slots[slot] != 0 {
			slot = (slot + 1) & mask
		}
		t.slots[slot] = v
	}
}
