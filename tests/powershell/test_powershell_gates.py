"""The gates of the shipped PowerShell scripts: they pass, and each gate fails on what it is there for."""

import pytest
from powershell_check import SCRIPTS, problems
from powershell_gates import commands, syntax
from powershell_gates.api import Check
from powershell_gates.profile import COMMITTED, Profile
from powershell_gates.script import Problem, Script, text_of, walk
from powershell_profile import cut

PROFILE = Profile.committed()
AGENT = SCRIPTS / "agent.ps1"
BOOTSTRAP = SCRIPTS / "bootstrap.ps1"


def said(text: str, name: str = "agent.ps1") -> str:
    return words_of(problems(Script.of(name, text), PROFILE))


def words_of(found: list[Problem]) -> str:
    return "\n".join(each.words for each in found)


def planted(statement: str) -> Script:
    """The agent with one statement more in one of its functions."""
    text = AGENT.read_text(encoding="ascii")
    place = "function Read-Names($item) {\n"
    assert text.count(place) == 1
    return Script.of("agent.ps1", text.replace(place, f"{place}    {statement}\n"))


@pytest.mark.parametrize("path", [AGENT, BOOTSTRAP], ids=lambda path: path.name)
def test_the_shipped_scripts_pass(path):
    assert said(path.read_text(encoding="ascii"), path.name) == ""


def test_what_is_planted_is_all_that_is_found():
    assert problems(planted("$planted = [System.IO.File]::Exists($item.file)"), PROFILE) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("$planted = @(1", "no PowerShell, says tree-sitter-powershell"),
        ("if ($true) {", "no PowerShell, says tree-sitter-pwsh"),
        ("$planted = 'é'", "only ASCII survives every code page, not '\\xe9'"),
        ("$planted = 'a\u200bb'", "only ASCII"),
        ("$planted = $item.file ?? 'x'", "the null-coalescing operator is of 7.0"),
        ("$planted = ${item}?.file", "no PowerShell"),
        ("$planted = $true ? 1 : 2", "the ternary operator is of 7.0"),
        ("Read-Key $item && Read-Key $item", "pipeline chains are of 7.0"),
        ("if ($IsWindows) { return }", "this variable is of 6.0"),
        ("ConvertFrom-Json $item -AsHashtable", "this parameter is of 6.0 or later"),
        ('$planted = "`e[0m"', "this escape is of 6.0"),
    ],
)
def test_syntax_and_what_is_newer_than_5_1(statement, words):
    assert words in words_of(syntax.problems(planted(statement)))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("functon Read-More { }", "functon is no function of this script"),
        ("ConvertFrom-Json $request", "ConvertFrom-Json is no function of this script"),
        ("$planted = New-Object System.IO.MemoryStream", "New-Object is no function of this script"),
        ("Read-Key $item.content", "Read-Key is given '$item.content': logs would keep it"),
        ("Read-Key $content", "Read-Key is given '$content'"),
        ("Read-Key (Get-KeyText $item)", "Read-Key is given '(Get-KeyText $item)'"),
        ("Set-Failure $item $item.path", "Set-Failure is given '$item.path'"),
        ('Set-Failure $item "$item"', "Set-Failure is given"),
        ("Read-Key", "Read-Key is given nothing"),
        ("$planted = $item.content | Read-Key $item", "a pipeline hands on what logs may keep"),
        ("& $item.program", "runs what nobody has read"),
        (". $item.program", "runs what nobody has read"),
        (". $agent", "runs what nobody has read"),
        ("Read-Key $item > out.txt", "a redirection is a hidden Out-File"),
        ("$planted = $misspelt", "$misspelt is never set"),
        ("$input = 1", "$input is PowerShell's own"),
    ],
)
def test_no_command_but_its_own_and_nothing_of_a_request_in_any(statement, words):
    assert words in words_of(commands.problems(planted(statement), PROFILE.aliases, given=frozenset({"batch"})))


def test_functions_take_a_table_first_and_are_called_as_no_alias():
    assert "the first parameter of a function is $item" in said("function Read-It($path) {\n    return $path\n}\n")
    assert "an alias of PowerShell is called gc too" in said("function gc($item) {\n    return $item\n}\n")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("[System.IO.File]::Replce($item.beside, $item.file, $item.set)", "System.IO.File has no static member Replce"),
        ("[System.IO.File]::Replace($item.file)", "System.IO.File.Replace takes no 1 arguments"),
        ("$planted = [System.Convert]::ToHexString($item.content)", "has no static member ToHexString"),
        ("$planted = [System.Net.Http.SocketsHttpHandler]::new()", "no type [System.Net.Http.SocketsHttpHandler]"),
        ("$planted = [System.ServiceProcess.TimeoutException]::new()", "no type [System.ServiceProcess.Timeout"),
        (
            "$planted = [System.IO.FileStream]::new($item.file)",
            "FileStream has no constructor of 1 arguments",
        ),
        ("$planted = [System.IO.FileOptions]::WriteThru", "System.IO.FileOptions has no static member WriteThru"),
        ("$planted = [System.IO.FileShare]'Read, Delte'", "System.IO.FileShare has no static member Delte"),
        ("$planted = $item.guard.Lenght", "System.IO.FileStream has no member Lenght"),
        ("$item.values = 1", "a table has a member values of its own"),
        ("$item.guard.Length = 1", "System.IO.FileStream.Length cannot be set"),
        ("$planted = [System.IO.MemoryStream]::new().ToAray()", "System.IO.MemoryStream has no member ToAray"),
        ("try { Read-Key $item } catch [System.IO.IOExeption] { throw }", "no type [System.IO.IOExeption]"),
        ("$planted = $item.whatever.Length", "what $item.whatever.Length is asked of cannot be told"),
        ("[System.IO.File]::Exists($item.file)", "lets its result fall into the output"),
        ("$item.content", "lets its result fall into the output"),
        ("Get-KeyText $item", "lets its result fall into the output"),
    ],
)
def test_the_net_of_a_real_windows_10(statement, words):
    assert words in words_of(Check(planted(statement), PROFILE).problems)


def test_members_are_really_looked_at():
    assert Check(Script.read(AGENT), PROFILE).told > 400


def test_the_committed_profile_is_cut_to_what_the_scripts_use():
    scripts = [Script.read(path) for path in sorted(SCRIPTS.glob("*.ps1"))]
    assert cut(Profile.committed(), scripts) == COMMITTED.read_text(encoding="utf-8")


def test_the_bootstrap_is_short_enough_for_a_command_line():
    assert len(BOOTSTRAP.read_text(encoding="ascii")) * 8 / 3 + 200 < 8191  # cmd.exe; base64 of UTF-16


def test_no_catch_of_the_bootstrap_hides_what_an_antivirus_says_of_the_agent():
    script = Script.read(BOOTSTRAP)
    tried = "".join(text_of(node) for node in walk(script.root) if node.type == "try_statement")
    assert "FromBase64String" in tried
    assert "ScriptBlock" not in tried
    assert "ScriptBlock" in text_of(script.root)
