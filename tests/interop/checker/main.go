// Checker checks a log that lin wrote, with other people's code only.
//
//	checker LOG VKEY [PROOFS]
//
// LOG is the folder with the checkpoint, VKEY the log's verifier key. PROOFS is a JSON file of proofs for the
// checkpoint's tree. The log is checked by Tessera's fsck, the proofs by the Go checksum database's library.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type proofs struct {
	Inclusion []struct {
		Position int64
		Leaf     []byte
		Proof    []tlog.Hash
	}
	Consistency []struct {
		Size  int64
		Root  tlog.Hash
		Proof []tlog.Hash
	}
}

func main() {
	if err := check(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "checker:", err)
		os.Exit(1)
	}
}

func check(root, vkey string, rest []string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return fmt.Errorf("verifier key: %w", err)
	}
	ctx := context.Background()
	files := client.FileFetcher{Root: root}
	tree, _, _, err := client.FetchCheckpoint(ctx, files.ReadCheckpoint, verifier, verifier.Name())
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	// Workers that meet a damaged tile stop taking work, and the rest of it must fit into their queue of length N.
	checked := make(chan error, 1)
	go func() { checked <- fsck.New(verifier.Name(), verifier, files, hashLeaves, fsck.Opts{N: 64}).Check(ctx) }()
	select {
	case err := <-checked:
		if err != nil {
			return fmt.Errorf("fsck: %w", err)
		}
	case <-time.After(30 * time.Second):
		return errors.New("fsck: it does not end")
	}
	fmt.Println("sound:", tree.Size)
	if len(rest) == 0 {
		return nil
	}
	return checkProofs(rest[0], int64(tree.Size), tlog.Hash(tree.Hash))
}

func checkProofs(name string, size int64, root tlog.Hash) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var all proofs
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	for _, p := range all.Inclusion {
		if err := tlog.CheckRecord(p.Proof, size, root, p.Position, tlog.RecordHash(p.Leaf)); err != nil {
			return fmt.Errorf("inclusion of %d: %w", p.Position, err)
		}
	}
	for _, p := range all.Consistency {
		if err := tlog.CheckTree(p.Proof, size, root, p.Size, p.Root); err != nil {
			return fmt.Errorf("consistency with %d: %w", p.Size, err)
		}
	}
	fmt.Println("proved:", len(all.Inclusion), len(all.Consistency))
	return nil
}

func hashLeaves(bundle []byte) ([][]byte, error) {
	var entries api.EntryBundle
	if err := entries.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(entries.Entries))
	for _, entry := range entries.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}
