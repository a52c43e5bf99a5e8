"""Which programs Python files and shell scripts start by name; for tests only.

Found are the names that stand in the files themselves, also where a function of theirs passes its
argument on to ``subprocess``.
"""

import ast
import re
from collections import defaultdict

_SPAWNERS = {
    "subprocess": ("run", "Popen", "call", "check_call", "check_output"),
    "shutil": ("which",),
    "os": ("execv", "execve", "execvp", "execvpe", "execl", "execlp", "posix_spawn"),
    "asyncio": ("create_subprocess_exec",),
    "session": ("run",),  # Of nox.
}
_SHELLS = {
    "os": ("system", "popen"),
    "subprocess": ("getoutput", "getstatusoutput"),
    "asyncio": ("create_subprocess_shell",),
}
_NAME = re.compile(r"[A-Za-z0-9_][\w.+-]*")
_KEYWORDS = {*"if then elif else fi while until for do done case esac in function { } ! [[".split()}
_BUILTINS = {
    *". : [ alias bg break cd command continue echo eval exec exit export false fg getopts".split(),
    *"hash jobs kill local printf pwd read readonly return set shift source test times".split(),
    *"trap true type ulimit umask unset wait".split(),
}


# ---- shell ----


def in_shell(text):
    """The programs that a shell script starts, without its own functions and what sh has itself."""
    functions = set(re.findall(r"^\s*([\w-]+)\s*\(\)", text, re.MULTILINE))
    return set(_first_words(_without_heredocs(text))) - functions - _BUILTINS - _KEYWORDS


def _without_heredocs(text):
    heredoc = r"(<<-?\s*(['\"]?)(\w+)\2[^\n]*\n).*?^\s*\3$"
    return re.sub(heredoc, r"\1", text, flags=re.MULTILINE | re.DOTALL)


_TOKEN = re.compile(
    r"(?P<comment>(?<![^\s;|&(])#[^\n]*)|(?P<literal>'[^']*'|\\.|\$\{[^}]*\}|\$\(\(.*?\)\))"
    r"|(?P<end>[\n;|&`]+|\{(?=\s)|\}(?=\s|;|$))|(?P<open>\$?\()|(?P<close>\))"
    r"|(?P<redirect>\d*[<>]+&?[\w/.-]*)|(?P<space>[ \t]+)|(?P<quote>\")|(?P<other>.)",
    re.DOTALL,
)
_QUOTED = re.compile(
    r"(?P<literal>\\.|\$\{[^}]*\}|\$\(\(.*?\)\))|(?P<open>\$\()|(?P<quote>\")|(?P<other>.)",
    re.DOTALL,
)


def _first_words(text):
    """The first word of each simple command, if it is a plain name."""
    for words in _simple_commands(text):
        while words and (words[0] in _KEYWORDS or re.match(r"\w+=", words[0])):
            # What follows is a list of words, or a pattern, and no command.
            if words.pop(0) in ("for", "case"):
                words.clear()
        if words[:1] in (["exec"], ["command"], ["eval"]):
            words = [word for word in words[1:] if not word.startswith("-")]
        if words and _NAME.fullmatch(words[0]):
            yield words[0]


def _simple_commands(text):
    """The words of each command that shell starts; of what is quoted there is a quote."""
    commands, stack = [], []  # The stack: the command around each $( ), and whether it is quoted.
    words, word, is_quoted, place, num_piped = [], "", False, 0, 0
    while found := (_QUOTED if is_quoted else _TOKEN).match(text, place):
        kind, token, place = found.lastgroup, found[0], found.end()
        if kind == "open":
            stack.append((words, word + '"', is_quoted))
            words, word, is_quoted = [], "", False
        elif kind == "quote":
            word, is_quoted = word + token, not is_quoted
        elif kind == "literal":
            word += '"'
        elif kind == "other":
            word += token
        elif kind != "comment":
            words += [word] if word else []
            word = ""
            if kind in ("end", "close"):
                if stack or kind == "end":
                    commands.append(words)
                else:
                    # What a parenthesis closes that none has opened are patterns of case.
                    del commands[len(commands) - num_piped :]
                num_piped = num_piped + 1 if token == "|" else 0
                words = []
            if kind == "close" and stack:
                words, word, is_quoted = stack.pop()
    return [*commands, words + ([word] if word else [])]


# ---- Python ----


class _File:
    """A parsed file: what encloses each node, and what names are bound to."""

    def __init__(self, text):
        self.tree = ast.parse(text)
        self.parents = {}
        self.values = defaultdict(list)
        self.wrappers = {}
        self.origins = {}  # In which file the function of a name is; None: in this one.
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.origins[node.name] = None
            elif isinstance(node, ast.ImportFrom):
                module = (node.module or "").rpartition(".")[2]
                self.origins |= {alias.asname or alias.name: module for alias in node.names}
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
            if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and node.value:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if isinstance(target, ast.Name):
                        self.values[target.id].append(node.value)
            elif isinstance(node, (ast.For, ast.comprehension)) and isinstance(
                node.target, ast.Name
            ):
                # Each of a list of names; a comprehension over a command's words keeps its order.
                if isinstance(node.iter, (ast.List, ast.Tuple)) and isinstance(node, ast.For):
                    self.values[node.target.id] += node.iter.elts

    def function_of(self, node):
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return node
        return None


def in_python(texts):
    """The programs that these files start, all of one program: a wrapper in one serves others.

    ``texts``: the text of each file by the name of its module.
    """
    files = {module: _File(text) for module, text in texts.items()}
    found, num_wrappers, last = set(), 0, None
    while num_wrappers != last:  # A wrapper may call a wrapper.
        last = num_wrappers
        for file in files.values():
            wrappers = _wrappers_in(file, files)
            for call in ast.walk(file.tree):
                if isinstance(call, ast.Call):
                    for command, is_shell in _commands_of(call, wrappers):
                        found |= _resolve(command, file, is_shell)
        num_wrappers = sum(len(file.wrappers) for file in files.values())
    return found


def _wrappers_in(file, files):
    """The wrappers that a file may mean by a name: its own, one it imports, or a method."""
    known = {}
    for module, other in files.items():
        for name, wrapper in other.wrappers.items():
            if file.origins.get(name, module) == module:
                known[name] = wrapper
    return known | file.wrappers


def _commands_of(call, wrappers):
    """The arguments of a call that are a command, and whether a shell reads it."""
    module, name = None, getattr(call.func, "id", None)
    if isinstance(call.func, ast.Attribute):
        module, name = getattr(call.func.value, "id", None), call.func.attr
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if name in (*_SPAWNERS.get(module, ()), *_SHELLS.get(module, ())):
        shell = keywords.get("shell")
        is_shell = name in _SHELLS.get(module, ()) or getattr(shell, "value", None) is True
        parameter, position = "args", 0
    elif name in wrappers:
        parameter, position, is_shell = wrappers[name]
    else:
        return
    given = [keywords[parameter]] if parameter in keywords else call.args[position : position + 1]
    yield from ((command, is_shell) for command in given)


def _resolve(node, file, is_shell, seen=frozenset()):
    """The names of the programs that an expression may start."""
    if node in seen:
        return set()
    seen = seen | {node}

    def resolve(*nodes):
        return set().union(*(_resolve(n, file, is_shell, seen) for n in nodes))

    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if is_shell:
            return in_shell(node.value)
        return {node.value} if _NAME.fullmatch(node.value) else set()
    if isinstance(node, (ast.List, ast.Tuple)) and node.elts:
        scripts = [
            script.value
            for flag, script in zip(node.elts[1:], node.elts[2:], strict=False)
            if isinstance(flag, ast.Constant) and flag.value == "-c"
            if isinstance(script, ast.Constant) and isinstance(script.value, str)
        ]
        names = resolve(node.elts[0])
        if names & {"sh", "bash"}:
            names = names.union(*map(in_shell, scripts))
        return names
    if isinstance(node, ast.Name):
        function = file.function_of(node)
        if function is not None:
            _note_wrapper(function, node.id, file, is_shell)
        return resolve(*file.values[node.id])
    if isinstance(node, ast.BinOp):
        return resolve(node.left) if isinstance(node.op, ast.Add) else set()
    if isinstance(node, ast.IfExp):
        return resolve(node.body, node.orelse)
    if isinstance(node, (ast.Starred, ast.Subscript)):
        return resolve(node.value)
    if isinstance(node, ast.ListComp):
        return resolve(node.generators[0].iter)
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", None))
        if name in ("list", "tuple", "str", "split"):
            return resolve(*node.args)
        if name == "map":
            return resolve(*node.args[1:])
    return set()


def _note_wrapper(function, name, file, is_shell):
    """Remember that a function starts what its parameter of this name says."""
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    is_method = names[:1] in (["self"], ["cls"])
    if arguments.vararg is not None:
        names.append(arguments.vararg.arg)
    if name in (*names, *(argument.arg for argument in arguments.kwonlyargs)):
        position = names.index(name) - is_method if name in names else len(names)
        file.wrappers[function.name] = (name, position, is_shell)
