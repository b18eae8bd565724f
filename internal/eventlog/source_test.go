package eventlog

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// shipped are the directories of the packages that the programs are made of.
func shipped(t *testing.T) []string {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if .Module}}{{if .Module.Main}}{{.Dir}}{{end}}{{end}}",
		"ecr-refreshd/cmd/ecr-refreshd", "ecr-refreshd/cmd/docker-credential-ecr-refreshd").Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs := strings.Fields(string(out))
	if len(dirs) < 20 {
		t.Fatalf("only %d packages: %v", len(dirs), dirs)
	}
	return dirs
}

// sources are the files of a package.
type sources struct {
	t     *testing.T
	files []*ast.File
	set   *token.FileSet
}

func newSources(t *testing.T, dir string) *sources {
	s := &sources{t: t, set: token.NewFileSet()}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(s.set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		s.files = append(s.files, f)
	}
	return s
}

// aLogger matches the name of every variable, field and parameter that is a *zap.Logger.
var aLogger = regexp.MustCompile(`^([a-zA-Z]*L|l)ogger$`)

// collect adds what the package logs by methods of loggers.
func (s *sources) collect(to messages) {
	for _, file := range s.files {
		for _, d := range file.Decls {
			f, _ := d.(*ast.FuncDecl)
			called := make(map[ast.Expr]bool)
			ast.Inspect(d, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.Field:
					s.checkName(n)
				case *ast.CallExpr:
					called[n.Fun] = true
					s.call(f, n, to)
				case *ast.SelectorExpr:
					if _, logs := levelOf[n.Sel.Name]; logs && !called[n] && isLogger(n.X) {
						s.t.Errorf("%s: a method of a logger as a value cannot be held to docs/logs.md", s.set.Position(n.Pos()))
					}
				case *ast.CompositeLit: // an Entry made by hand
					if sel, ok := n.Type.(*ast.SelectorExpr); ok && sel.Sel.Name == "Entry" {
						s.entry(f, n, to)
					}
				}
				return true
			})
		}
	}
}

func isLogger(e ast.Expr) bool {
	path := strings.Split(printed(e), ".")
	return aLogger.MatchString(path[len(path)-1])
}

// checkName sees that a logger can be recognized by its name.
func (s *sources) checkName(f *ast.Field) {
	star, ok := f.Type.(*ast.StarExpr)
	if !ok || printed(star.X) != "zap.Logger" {
		return
	}
	for _, name := range f.Names {
		if !aLogger.MatchString(name.Name) {
			s.t.Errorf("%s: call it logger, so that its messages are found", s.set.Position(f.Pos()))
		}
	}
}

var levelOf = map[string]string{"Debug": "debug", "Info": "info", "Warn": "warn", "Error": "error", "Log": "", "Check": "",
	"DPanic": "", "Panic": "", "Fatal": "", "Sugar": ""}

func (s *sources) call(in *ast.FuncDecl, call *ast.CallExpr, to messages) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return
	}
	at := s.set.Position(call.Pos())
	if name := printed(sel); strings.HasPrefix(name, "zap.NewStdLog") || strings.HasPrefix(name, "zap.RedirectStdLog") {
		s.t.Errorf("%s: %s makes messages that are not constant", at, name)
	}
	level, ok := levelOf[sel.Sel.Name]
	if !ok || !isLogger(sel.X) {
		return
	}
	switch {
	case level != "":
		for _, message := range s.values(in, call.Args[0], func(e ast.Expr) []string { return s.constant(in, e) }) {
			fields := s.values(in, &ast.CallExpr{Fun: ast.NewIdent("append"), Args: call.Args[1:]}, func(e ast.Expr) []string { return fieldNames(e) })
			to.add(message, level, fields)
		}
	case filepath.Base(filepath.Dir(at.Filename)) == "eventlog": // whose messages events has
	case len(call.Args) >= 2: // a level that depends
		levels, messages := s.constant(in, call.Args[0]), s.constant(in, call.Args[1])
		if len(levels) == 0 || len(messages) == 0 {
			s.t.Errorf("%s: neither constants nor variables of constants", at)
		}
		for _, message := range messages {
			for _, level := range levels {
				to.add(message, level, s.fieldsOf(in))
			}
		}
	default:
		s.t.Errorf("%s: a call of %s cannot be held to docs/logs.md", at, sel.Sel.Name)
	}
}

// fieldsOf are those of the zap calls in f, and in functions of the package that it calls
// and that return fields.
func (s *sources) fieldsOf(f *ast.FuncDecl) []string {
	names := fieldNames(f.Body)
	for _, file := range s.files {
		for _, d := range file.Decls {
			other, ok := d.(*ast.FuncDecl)
			if !ok || other.Type.Results == nil || len(other.Type.Results.List) != 1 {
				continue
			}
			list, ok := other.Type.Results.List[0].Type.(*ast.ArrayType)
			if !ok || printed(list.Elt) != "zap.Field" {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok && strings.HasSuffix("."+printed(call.Fun), "."+other.Name.Name) {
					names = append(names, fieldNames(other.Body)...)
				}
				return true
			})
		}
	}
	return names
}

// entry adds an entry with the fields of the zap calls in the same function.
func (s *sources) entry(in *ast.FuncDecl, lit *ast.CompositeLit, to messages) {
	var level, message string
	for _, e := range lit.Elts {
		kv := e.(*ast.KeyValueExpr)
		switch printed(kv.Key) {
		case "Level":
			level = strings.Join(s.constant(in, kv.Value), "")
		case "Message":
			message = strings.Join(s.constant(in, kv.Value), "")
		}
	}
	if level == "" || message == "" {
		s.t.Errorf("%s: an entry without constant level and message", s.set.Position(lit.Pos()))
	}
	to.add(message, level, fieldNames(in.Body))
}

// values gives what read finds in e, and where e, or the end of its arguments, is a parameter of in, in what
// the callers of in pass for it.
func (s *sources) values(in *ast.FuncDecl, e ast.Expr, read func(ast.Expr) []string) []string {
	found := read(e)
	names := []string{printed(e)}
	if call, ok := e.(*ast.CallExpr); ok {
		names = nil
		for _, arg := range call.Args {
			names = append(names, printed(arg))
		}
	}
	for i, p := range parameters(in) {
		if !slices.Contains(names, p) {
			continue
		}
		for _, file := range s.files {
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) <= i || !strings.HasSuffix("."+printed(call.Fun), "."+in.Name.Name) {
					return true
				}
				for _, arg := range call.Args[i:] {
					found = append(found, read(arg)...)
					if i < len(parameters(in))-1 {
						break // not the variadic one
					}
				}
				return true
			})
		}
	}
	if _, message := e.(*ast.CallExpr); !message && len(found) == 0 {
		s.t.Errorf("%s: the message is not constant", s.set.Position(e.Pos()))
	}
	return found
}

// constant gives the texts, or the names of levels, that e can be: a literal, or a constant
// or variable of the function.
func (s *sources) constant(in *ast.FuncDecl, e ast.Expr) (texts []string) {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		value, err := strconv.Unquote(lit.Value)
		if err != nil {
			s.t.Fatal(err)
		}
		return []string{value}
	}
	if level, ok := strings.CutPrefix(printed(e), "zapcore."); ok {
		return []string{strings.ToLower(strings.TrimSuffix(level, "Level"))}
	}
	id, ok := e.(*ast.Ident)
	if !ok {
		return nil
	}
	ast.Inspect(in, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if name.Name == id.Name && i < len(n.Values) {
					texts = append(texts, s.constant(in, n.Values[i])...)
				}
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if printed(left) == id.Name && len(n.Rhs) == len(n.Lhs) {
					texts = append(texts, s.constant(in, n.Rhs[i])...)
				}
			}
		}
		return true
	})
	return texts
}

// fieldNames are those of the zap calls in n.
func fieldNames(n ast.Node) (names []string) {
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !strings.HasPrefix(printed(call.Fun), "zap.") {
			return true
		}
		if printed(call.Fun) == "zap.Error" {
			names = append(names, "error")
		} else if lit, ok := call.Args[0].(*ast.BasicLit); ok {
			names = append(names, strings.Trim(lit.Value, `"`))
		}
		return false
	})
	return names
}

func parameters(f *ast.FuncDecl) (names []string) {
	if f == nil {
		return nil
	}
	for _, field := range f.Type.Params.List {
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

// printed is the text of an expression of names and dots; of others, nothing.
func printed(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return printed(e.X) + "." + e.Sel.Name
	}
	return ""
}
