# Reads the agent and a batch from standard input, checks that they arrived whole, and runs the agent.
$ErrorActionPreference = 'Stop'
if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') { 'IEA1-91'; exit 91 }
try {
    [string[]]$lines = @($input)
    $head = $lines[0].Trim().Split(' ')
    $packed = [System.Convert]::FromBase64String([string]::Join('', $lines, 1, $lines.Length - 1))
    $sha = [System.Security.Cryptography.SHA256CryptoServiceProvider]::new()
    $found = [System.BitConverter]::ToString($sha.ComputeHash($packed)).Replace('-', '').ToLowerInvariant()
    if ($head[0] -ne 'IEA1' -or $head[1] -ne $found) { 'IEA1-90'; exit 90 }
    $inflate = [System.IO.Compression.CompressionMode]::Decompress
    $stream = [System.IO.Compression.DeflateStream]::new([System.IO.MemoryStream]::new($packed), $inflate)
    $text = [System.IO.StreamReader]::new($stream).ReadToEnd()
    $cut = $text.IndexOf([char]0)
    $batch = $text.Substring($cut + 1)
}
catch {
    'IEA1-90'
    exit 90
}
# Out of reach of the catch: what an antivirus or the parser has against the agent is to be seen.
$agent = [System.Management.Automation.ScriptBlock]::Create($text.Substring(0, $cut))
. $agent
