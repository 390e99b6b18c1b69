package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: ${enum}."`
}

// The scripts ask the program itself, so that they never fall behind it. Where
// it has nothing to offer, the shell completes file names.
var completions = map[string]string{
	"bash": `_hallmark() {
	local IFS=$'\n'
	COMPREPLY=($(compgen -W "$(hallmark complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _hallmark hallmark
`,
	"zsh": `#compdef hallmark
_hallmark() {
	local -a candidates
	candidates=(${(f)"$(hallmark complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
	if (( $#candidates )); then compadd -a candidates; else _files; fi
}
compdef _hallmark hallmark
`,
	"fish": `function __hallmark_complete
	set -l words (commandline -opc) (commandline -ct)
	hallmark complete -- $words[2..] 2>/dev/null
end
complete -c hallmark -f -a '(__hallmark_complete)'
complete -c hallmark -n 'test -z "$(__hallmark_complete)"' -F
`,
}

func (c *completionCmd) Run(p *process) error {
	_, err := fmt.Fprint(p.stdout, completions[c.Shell])
	return err
}

// completeCmd is what the scripts call.
type completeCmd struct {
	Words []string `arg:"" optional:"" help:"The words after the program's name; the last one is being typed."`
}

func (c *completeCmd) Run(ctx *kong.Context, p *process) error {
	for _, word := range candidates(ctx.Model.Node, c.Words) {
		if _, err := fmt.Fprintln(p.stdout, word); err != nil {
			return err
		}
	}
	return nil
}

// candidates are what the last word may become: the value of the flag before
// it, a flag, or a command.
func candidates(node *kong.Node, words []string) (found []string) {
	if len(words) == 0 {
		words = []string{""}
	}
	before, typing := words[:len(words)-1], words[len(words)-1]
	var open *kong.Flag // the flag that wants its value
	for _, word := range before {
		switch {
		case open != nil:
			open = nil
		case strings.HasPrefix(word, "-"):
			if open = flagNamed(node, word); open != nil && open.IsBool() {
				open = nil
			}
		default:
			if child := childNamed(node, word); child != nil {
				node = child
			}
		}
	}
	switch {
	case open != nil:
		found = enumOf(open.Value)
	case strings.HasPrefix(typing, "-"):
		for _, group := range node.AllFlags(true) {
			for _, flag := range group {
				found = append(found, "--"+flag.Name)
			}
		}
	default:
		for _, child := range node.Children {
			if !child.Hidden {
				found = append(found, child.Name)
			}
		}
		for _, arg := range node.Positional {
			found = append(found, enumOf(arg)...)
		}
	}
	slices.Sort(found)
	return slices.DeleteFunc(slices.Compact(found), func(c string) bool { return !strings.HasPrefix(c, typing) })
}

func enumOf(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}

func childNamed(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// flagNamed finds the flag of "--name"; none for "--name=value", which has its value.
func flagNamed(node *kong.Node, word string) *kong.Flag {
	for _, group := range node.AllFlags(false) {
		for _, flag := range group {
			if word == "--"+flag.Name {
				return flag
			}
		}
	}
	return nil
}
