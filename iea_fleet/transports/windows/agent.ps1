# The agent of iea-fleet: carries out the batch of requests in $batch, and answers in one line. Windows PowerShell 5.1.
#
# It calls no cmdlet and uses no pipeline. Its functions take one table, $item, in which everything about a request is:
# of a table, logs of modules and commands show the type alone. Nothing of a request is ever an argument of a command.

$utf8 = [System.Text.UTF8Encoding]::new($false)
$invariant = [System.Globalization.CultureInfo]::InvariantCulture
$sha = [System.Security.Cryptography.SHA256CryptoServiceProvider]::new()
$sidType = [System.Security.Principal.SecurityIdentifier]
$administrators = [System.Security.Principal.SecurityIdentifier]::new('S-1-5-32-544')
$system = [System.Security.Principal.SecurityIdentifier]::new('S-1-5-18')
$trusted = [string[]]@(
    'S-1-5-32-544'
    'S-1-5-18'
    'S-1-3-0'
    'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464'
)
$part = '[^<>:"|?*\\/\x00-\x1f]*[^<>:"|?*\\/\x00-\x1f. ]'
$plainPath = [System.Text.RegularExpressions.Regex]::new('\A[A-Za-z]:/(' + $part + '(/' + $part + ')*)?\z')
$plainKey = [System.Text.RegularExpressions.Regex]::new('\AHKLM(/[^/\\\x00]{1,255})+\z')
$device = [System.Text.RegularExpressions.Regex]::new(
    '/(CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9]|CONIN[$]|CONOUT[$])([. ][^/]*)?(/|\z)',
    [System.Text.RegularExpressions.RegexOptions]::IgnoreCase)
# Of Win32 (winerror.h), as .NET has them in Exception.HResult.
$codes = @{
    '80070005' = 'denied'
    '80070013' = 'denied'
    '8007051b' = 'denied'
    '80070522' = 'denied'
    '8013150a' = 'denied'
    '80070020' = 'busy'
    '80070021' = 'busy'
    '800704c8' = 'busy'
    '80070497' = 'busy'
    '80070498' = 'busy'
    '80070499' = 'busy'
    '80070027' = 'disk_full'
    '80070070' = 'disk_full'
    '80070003' = 'no_folder'
    '8007007b' = 'bad_path'
    '800700a1' = 'bad_path'
    '800700ce' = 'bad_path'
}
$lookers = [string[]]@('read_file', 'list_folder', 'stat', 'measure_room')
$known = [string[]]@('read_file', 'list_folder', 'stat', 'measure_room', 'open_url', 'read_key', 'run_action')
$writers = [string[]]@('replace_file', 'remove_file', 'make_folder', 'replace_key', 'remove_key')
$grouped = [string[]]@('replace_file', 'replace_key')

function Set-Failure($item, $code) {
    # $code is always a constant.
    $item.answer = @('failed', 'code', $code, 'detail', [string]$item.detail)
}

function Get-Digest($item) {
    # Of what $item.source, a stream, holds from where it stands. A read that failed halfway leaves its part in $sha.
    $sha.Initialize()
    $hex = [System.BitConverter]::ToString($sha.ComputeHash($item.source))
    return 'sha256:' + $hex.Replace('-', '').ToLowerInvariant()
}

function Set-Error($item) {
    # Words of .NET name files and reasons. Words of PowerShell itself may quote a value: only its own code is told.
    $exception = $item.error.Exception.GetBaseException()
    $type = $exception.GetType().FullName
    $number = $exception.HResult.ToString('x8', $invariant)
    $said = $exception.Message.Replace([char]13, [char]32).Replace([char]10, [char]32)
    if ($type.StartsWith('System.Management.Automation.', [System.StringComparison]::Ordinal)) {
        $said = $item.error.FullyQualifiedErrorId
    }
    $line = $item.error.InvocationInfo.ScriptLineNumber
    $item.detail = "$type 0x$number (line $line) $said"
    if ($number -eq '80070002' -or $number -eq '80070003') {
        if ($lookers -contains $item.word) {
            $item.answer = @('absent')
            return
        }
        if ($item.kind -eq 'file' -and -not [System.IO.File]::Exists($item.file)) {
            $item.answer = @('moved', 'found', 'absent')
            return
        }
    }
    $code = 'error'
    if ($null -ne $codes[$number]) {
        $code = $codes[$number]
    }
    $item.answer = @('failed', 'code', $code, 'detail', $item.detail)
}

function Get-Kind($item) {
    try {
        $attributes = [System.IO.File]::GetAttributes($item.file)
    }
    catch {
        $reason = $_.Exception.GetBaseException()
        if ($reason -is [System.IO.FileNotFoundException] -or $reason -is [System.IO.DirectoryNotFoundException]) {
            return 'absent'
        }
        throw
    }
    if ($attributes.HasFlag([System.IO.FileAttributes]::ReparsePoint)) {
        return 'link'
    }
    if ($attributes.HasFlag([System.IO.FileAttributes]::Device)) {
        return 'other'
    }
    if ($attributes.HasFlag([System.IO.FileAttributes]::Directory)) {
        return 'folder'
    }
    return 'file'
}

function Read-File($item) {
    $kind = Get-Kind $item
    if ($kind -eq 'absent') {
        $item.answer = @('absent')
        return
    }
    if ($kind -eq 'folder') {
        Set-Failure $item 'is_folder'
        return
    }
    $limit = [long]::Parse($item.limit, $invariant)
    $share = [System.IO.FileShare]'ReadWrite, Delete'
    $mode = [System.IO.FileMode]::Open
    $stream = [System.IO.FileStream]::new($item.file, $mode, [System.IO.FileAccess]::Read, $share)
    try {
        if ($stream.Length -gt $limit) {
            $item.answer = @(
                'failed', 'code', 'too_large', 'detail', '',
                'size', $stream.Length.ToString($invariant), 'limit', $item.limit)
            return
        }
        $content = [System.IO.MemoryStream]::new()
        $stream.CopyTo($content)
        $item.answer = @('content', 'content', $content.ToArray())
    }
    finally {
        $stream.Dispose()
    }
}

function Read-Names($item) {
    $kind = Get-Kind $item
    if ($kind -eq 'absent') {
        $item.answer = @('absent')
        return
    }
    if ($kind -eq 'file' -or $kind -eq 'other') {
        Set-Failure $item 'not_a_folder'
        return
    }
    $text = [System.Text.StringBuilder]::new()
    foreach ($entry in [System.IO.DirectoryInfo]::new($item.file).GetFileSystemInfos()) {
        $null = $text.Append($entry.Name).Append([char]0)
    }
    $item.answer = @('names', 'names', $text.ToString())
}

function Test-Shared($item) {
    # Whether others than the owner, administrators and the system may read; $item.security is what Windows keeps.
    $rules = [System.Security.AccessControl.FileSystemAccessRule[]]$item.security.GetAccessRules($true, $true, $sidType)
    foreach ($rule in $rules) {
        $rights = [int]$rule.FileSystemRights
        # ReadData, or one of the generic rights: GENERIC_ALL 0x10000000, GENERIC_READ 0x80000000 (the sign).
        $reads = ($rights -band 1) -ne 0 -or ($rights -band 0x10000000) -ne 0 -or $rights -lt 0
        $who = $rule.IdentityReference.Value
        $allows = $rule.AccessControlType -eq [System.Security.AccessControl.AccessControlType]::Allow
        if ($reads -and $allows -and $who -ne $item.owner -and $trusted -notcontains $who) {
            return $true
        }
    }
    return $false
}

function Get-Stat($item) {
    $kind = Get-Kind $item
    if ($kind -eq 'absent') {
        $item.answer = @('absent')
        return
    }
    $size = [long]0
    if ($kind -eq 'file') {
        $size = [System.IO.FileInfo]::new($item.file).Length
    }
    $item.owner = ''
    $shared = 'yes'
    if ($kind -eq 'file' -or $kind -eq 'folder') {
        try {
            $sections = [System.Security.AccessControl.AccessControlSections]'Owner, Access'
            if ($kind -eq 'file') {
                $item.security = [System.IO.File]::GetAccessControl($item.file, $sections)
            }
            else {
                $item.security = [System.IO.Directory]::GetAccessControl($item.file, $sections)
            }
            $item.owner = [string]$item.security.GetOwner($sidType)
            if (-not (Test-Shared $item)) {
                $shared = 'no'
            }
        }
        catch [System.UnauthorizedAccessException] {
            # Whose rights may not be seen is taken for shared, by an owner that is not told.
            $shared = 'yes'
        }
    }
    $ticks = [System.IO.File]::GetLastWriteTimeUtc($item.file).Ticks - 621355968000000000
    $modified = ([decimal]$ticks / 10000000).ToString($invariant)
    $item.answer = @(
        'is', 'kind', $kind, 'size', $size.ToString($invariant), 'owner', $item.owner,
        'shared', $shared, 'modified', $modified)
}

function Get-Room($item) {
    if ((Get-Kind $item) -eq 'absent') {
        $item.answer = @('absent')
        return
    }
    $free = [System.IO.DriveInfo]::new($item.file.Substring(0, 1)).AvailableFreeSpace
    $item.answer = @('room', 'free', $free.ToString($invariant))
}

function New-PrivateRights($item) {
    # For administrators, the system, and the owner of what is there ($item.owner); nothing is inherited from above.
    $full = [System.Security.AccessControl.FileSystemRights]::FullControl
    $allow = [System.Security.AccessControl.AccessControlType]::Allow
    $inherit = [System.Security.AccessControl.InheritanceFlags]::None
    $security = [System.Security.AccessControl.FileSecurity]::new()
    if ($item.word -eq 'make_folder') {
        $inherit = [System.Security.AccessControl.InheritanceFlags]'ContainerInherit, ObjectInherit'
        $security = [System.Security.AccessControl.DirectorySecurity]::new()
    }
    $security.SetAccessRuleProtection($true, $false)
    $owner = [System.Security.Principal.SecurityIdentifier]::new($item.owner)
    foreach ($who in @($administrators, $system, $owner)) {
        $only = [System.Security.AccessControl.PropagationFlags]::None
        $rule = [System.Security.AccessControl.FileSystemAccessRule]::new($who, $full, $inherit, $only, $allow)
        $security.SetAccessRule($rule)
    }
    if ($item.withOwner) {
        $security.SetOwner($owner)
    }
    return $security
}

function Test-Target($item) {
    # Looks at the file that is to be written or removed, and keeps it from being changed until Close-File. True: go on.
    $item.kind = Get-Kind $item
    if ($item.kind -eq 'link') {
        Set-Failure $item 'is_link'
        return $false
    }
    if ($item.kind -eq 'folder') {
        Set-Failure $item 'is_folder'
        return $false
    }
    if ($item.kind -eq 'other') {
        Set-Failure $item 'bad_path'
        return $false
    }
    $found = 'absent'
    if ($item.kind -eq 'file') {
        # Others may go on reading, and Replace may take the file away; nobody may write to it.
        $share = [System.IO.FileShare]'Read, Delete'
        $mode = [System.IO.FileMode]::Open
        $item.guard = [System.IO.FileStream]::new($item.file, $mode, [System.IO.FileAccess]::Read, $share)
        $item.source = $item.guard
        $found = Get-Digest $item
    }
    if ($found -ne $item.expected) {
        $item.answer = @('moved', 'found', $found)
        return $false
    }
    return $true
}

function Initialize-File($item) {
    # Looks, compares, and writes the new content beside the file.
    if (-not (Test-Target $item)) {
        return
    }
    if (-not [System.IO.Directory]::Exists([System.IO.Path]::GetDirectoryName($item.file))) {
        Set-Failure $item 'no_folder'
        return
    }
    if ($item.kind -eq 'file' -and -not (Test-Aside $item)) {
        Set-Failure $item 'shared_folder'
        return
    }
    $item.owner = $administrators.Value
    if ($item.kind -eq 'file') {
        $sections = [System.Security.AccessControl.AccessControlSections]'Owner, Access'
        $item.before = [System.IO.File]::GetAccessControl($item.file, $sections)
        $item.owner = [string]$item.before.GetOwner($sidType)
        $item.attributes = [System.IO.File]::GetAttributes($item.file)
    }
    $security = $null
    if ($item.private -eq 'yes') {
        $item.withOwner = $true
        $security = New-PrivateRights $item
        $item.withOwner = $false
    }
    $new = [System.IO.FileMode]::CreateNew
    $write = [System.Security.AccessControl.FileSystemRights]::Write
    $alone = [System.IO.FileShare]::None
    $through = [System.IO.FileOptions]::WriteThrough
    $stream = [System.IO.FileStream]::new($item.beside, $new, $write, $alone, 4096, $through, $security)
    $item.written = $true
    try {
        $stream.Write($item.content, 0, $item.content.Length)
        $stream.Flush($true)
    }
    finally {
        $stream.Dispose()
    }
    if ($item.kind -eq 'file' -and $item.private -ne 'yes') {
        Set-OldOwner $item
    }
}

function Test-Aside($item) {
    # Whether the old content may be set aside there: beside the file, or where administrators alone can read.
    $folder = [System.IO.Path]::GetDirectoryName($item.set)
    if ($folder -eq [System.IO.Path]::GetDirectoryName($item.file)) {
        return $true
    }
    $item.security = [System.IO.Directory]::GetAccessControl($folder)
    $item.owner = [string]$item.security.GetOwner($sidType)
    return $trusted -contains $item.owner -and -not (Test-Shared $item)
}

function Set-OldOwner($item) {
    # Replace keeps the rights but not the owner. Who may not give files away leaves the new file to the administrators.
    $owner = [System.Security.AccessControl.FileSecurity]::new()
    $owner.SetOwner([System.Security.Principal.SecurityIdentifier]::new($item.owner))
    try {
        [System.IO.File]::SetAccessControl($item.beside, $owner)
    }
    catch {
        $item.ownerKept = $false
    }
}

function Move-File($item) {
    # Puts the prepared file where no file is, or in place of the old one.
    if ($item.kind -eq 'absent') {
        try {
            [System.IO.File]::Move($item.beside, $item.file)
        }
        catch {
            $failure = $_
            if ((Get-Kind $item) -eq 'absent') {
                throw $failure
            }
            $item.expected = ''
            $null = Test-Target $item
        }
        return
    }
    $locked = $item.attributes.HasFlag([System.IO.FileAttributes]::ReadOnly)
    if ($locked) {
        [System.IO.File]::SetAttributes($item.file, [System.IO.FileAttributes]::Normal)
    }
    try {
        if ($item.private -eq 'yes') {
            # Replace gives the new file the rights of the old one: the old one loses its readers first.
            [System.IO.File]::SetAccessControl($item.file, (New-PrivateRights $item))
        }
        Switch-File $item
        if ($item.private -eq 'yes') {
            [System.IO.File]::SetAccessControl($item.file, (New-PrivateRights $item))
        }
    }
    catch {
        if ($item.private -eq 'yes' -and -not $item.switched) {
            $old = [System.Security.AccessControl.FileSecurity]::new()
            $access = [System.Security.AccessControl.AccessControlSections]::Access
            $old.SetSecurityDescriptorBinaryForm($item.before.GetSecurityDescriptorBinaryForm(), $access)
            [System.IO.File]::SetAccessControl($item.file, $old)
        }
        throw
    }
    finally {
        if ($locked) {
            [System.IO.File]::SetAttributes($item.file, $item.attributes)
        }
    }
}

function Switch-File($item) {
    # Replace, again for a second where somebody, most often an antivirus, holds one of the files for a moment.
    for ($left = 4; $true; $left--) {
        try {
            [System.IO.File]::Replace($item.beside, $item.file, $item.set, $true)
            $item.switched = $true
            return
        }
        catch {
            $number = $_.Exception.GetBaseException().HResult.ToString('x8', $invariant)
            if (-not [System.IO.File]::Exists($item.file) -and [System.IO.File]::Exists($item.set)) {
                # ERROR_UNABLE_TO_MOVE_REPLACEMENT_2: the old file has the other name, and none has its own.
                [System.IO.File]::Move($item.set, $item.file)
            }
            if ($left -eq 0 -or $codes[$number] -ne 'busy') {
                throw
            }
        }
        [System.Threading.Thread]::Sleep(250)
    }
}

function Write-File($item) {
    Move-File $item
    Close-File $item
    if ($null -ne $item.answer) {
        return
    }
    $item.source = [System.IO.MemoryStream]::new($item.content)
    $wanted = Get-Digest $item
    $item.expected = $wanted
    $same = $false
    try {
        $same = Test-Target $item
    }
    catch {
        $item.detail = 'it cannot be read again'
    }
    $item.answer = @('done', 'digest', $wanted)
    if (-not $same) {
        Set-Failure $item 'changed_since'
    }
}

function Remove-File($item) {
    if ($item.kind -eq 'file') {
        if ([System.IO.File]::GetAttributes($item.file).HasFlag([System.IO.FileAttributes]::ReadOnly)) {
            [System.IO.File]::SetAttributes($item.file, [System.IO.FileAttributes]::Normal)
        }
        # Again for a second: an antivirus holds it for a moment, or somebody who reads it over SFTP.
        for ($left = 4; [System.IO.File]::Exists($item.file); $left--) {
            try {
                [System.IO.File]::Delete($item.file)
                break
            }
            catch {
                $number = $_.Exception.GetBaseException().HResult.ToString('x8', $invariant)
                if ($left -eq 0 -or $codes[$number] -ne 'busy') {
                    throw
                }
            }
            [System.Threading.Thread]::Sleep(250)
        }
    }
    $item.answer = @('done', 'digest', 'absent')
}

function Initialize-Folder($item) {
    if ((Get-Kind $item) -ne 'absent') {
        $item.answer = @('moved', 'found', '')
    }
    elseif (-not [System.IO.Directory]::Exists([System.IO.Path]::GetDirectoryName($item.file))) {
        Set-Failure $item 'no_folder'
    }
}

function Write-Folder($item) {
    if ($item.private -ne 'yes') {
        $null = [System.IO.Directory]::CreateDirectory($item.file)
        $item.answer = @('done', 'digest', '')
        return
    }
    $item.owner = $administrators.Value
    $item.withOwner = $true
    $null = [System.IO.Directory]::CreateDirectory($item.file, (New-PrivateRights $item))
    # CreateDirectory is content with a folder that somebody else has made in this moment.
    $item.security = [System.IO.Directory]::GetAccessControl($item.file)
    $item.answer = @('done', 'digest', '')
    if ([string]$item.security.GetOwner($sidType) -ne $item.owner -or (Test-Shared $item)) {
        $item.answer = @('moved', 'found', '')
    }
}

function Close-File($item) {
    # Lets go of the file, and removes what was written beside it and what was set aside.
    if ($null -ne $item.guard) {
        $item.guard.Dispose()
        $item.guard = $null
    }
    $rests = @()
    if ($item.written) {
        $rests = @($item.beside, $item.set)
        # Where the file has no name of its own, the two are all there is of it, and tell who comes next what happened.
        if ([System.IO.File]::Exists($item.set) -and -not [System.IO.File]::Exists($item.file)) {
            $rests = @()
        }
    }
    foreach ($rest in $rests) {
        for ($left = 8; $left -gt 0 -and [System.IO.File]::Exists($rest); $left--) {
            try {
                [System.IO.File]::SetAttributes($rest, [System.IO.FileAttributes]::Normal)
                [System.IO.File]::Delete($rest)
            }
            catch {
                # An antivirus may be looking at it; who comes next knows it by its name.
                [System.Threading.Thread]::Sleep(250)
            }
        }
    }
}

function Get-KeyText($item) {
    # The values of $item.key as lines, sorted; '' for a key without values.
    $raw = [Microsoft.Win32.RegistryValueOptions]::DoNotExpandEnvironmentNames
    $lines = [System.Collections.ArrayList]::new()
    foreach ($name in $item.key.GetValueNames()) {
        $kind = $item.key.GetValueKind($name).ToString()
        $value = $item.key.GetValue($name, $null, $raw)
        if ($kind -eq 'DWord') {
            $number = [System.BitConverter]::ToUInt32([System.BitConverter]::GetBytes([int]$value), 0)
            $data = $utf8.GetBytes($number.ToString($invariant))
        }
        elseif ($kind -eq 'QWord') {
            $number = [System.BitConverter]::ToUInt64([System.BitConverter]::GetBytes([long]$value), 0)
            $data = $utf8.GetBytes($number.ToString($invariant))
        }
        elseif ($kind -eq 'MultiString') {
            $text = [System.Text.StringBuilder]::new()
            foreach ($each in $value) {
                $null = $text.Append($each).Append([char]0)
            }
            $data = $utf8.GetBytes($text.ToString())
        }
        elseif ($kind -eq 'String' -or $kind -eq 'ExpandString') {
            $data = $utf8.GetBytes([string]$value)
        }
        elseif ($kind -eq 'Binary' -or $kind -eq 'None') {
            $data = [byte[]]$value
        }
        else {
            throw [System.NotSupportedException]::new('a value of this key is of a kind that .NET does not know')
        }
        $title = [System.Convert]::ToBase64String($utf8.GetBytes($name))
        $null = $lines.Add($title + ' ' + $kind + ' ' + [System.Convert]::ToBase64String($data) + [char]10)
    }
    $lines.Sort([System.StringComparer]::Ordinal)
    return [string]::Concat([string[]]$lines.ToArray())
}

function Open-Key($item) {
    $view = [Microsoft.Win32.RegistryView]::Registry64
    $item.hive = [Microsoft.Win32.RegistryKey]::OpenBaseKey([Microsoft.Win32.RegistryHive]::LocalMachine, $view)
    $item.key = $item.hive.OpenSubKey($item.file)
}

function Close-Key($item) {
    foreach ($handle in @($item.key, $item.hive)) {
        if ($null -ne $handle) {
            $handle.Dispose()
        }
    }
    $item.key = $null
    $item.hive = $null
}

function Read-Key($item) {
    try {
        Open-Key $item
        if ($null -eq $item.key) {
            $item.answer = @('absent')
            return
        }
        $content = $utf8.GetBytes((Get-KeyText $item))
        $item.answer = @('content', 'content', $content)
        if ($content.LongLength -gt [long]::Parse($item.limit, $invariant)) {
            $item.answer = @(
                'failed', 'code', 'too_large', 'detail', '',
                'size', $content.LongLength.ToString($invariant), 'limit', $item.limit)
        }
    }
    finally {
        Close-Key $item
    }
}

function Initialize-Key($item) {
    Open-Key $item
    $found = 'absent'
    if ($null -ne $item.key) {
        $item.old = Get-KeyText $item
        $item.source = [System.IO.MemoryStream]::new($utf8.GetBytes($item.old))
        $found = Get-Digest $item
    }
    if ($found -ne $item.expected) {
        $item.answer = @('moved', 'found', $found)
    }
}

function Write-Key($item) {
    $existed = $null -ne $item.key
    if ($existed) {
        $item.key.Dispose()
    }
    $wanted = $utf8.GetString($item.content)
    $item.target = $wanted
    $item.key = $item.hive.CreateSubKey($item.file)
    try {
        Set-Values $item
    }
    catch {
        # Each value is written by itself: those that were are put back.
        $item.target = [string]$item.old
        Set-Values $item
        if (-not $existed) {
            $item.hive.DeleteSubKey($item.file)
        }
        throw
    }
    $item.source = [System.IO.MemoryStream]::new($item.content)
    $item.answer = @('done', 'digest', (Get-Digest $item))
    if (-not [string]::Equals((Get-KeyText $item), $wanted, [System.StringComparison]::Ordinal)) {
        Set-Failure $item 'changed_since'
    }
}

function Set-Values($item) {
    # Makes the values of $item.key those of $item.target: what is gone first, as names differ by more than their case.
    $names = [System.Collections.Hashtable]::new([System.StringComparer]::Ordinal)
    $have = [System.Collections.Hashtable]::new([System.StringComparer]::Ordinal)
    $wanted = $item.target.Split([char]10)
    foreach ($line in $wanted) {
        if ($line.Length -gt 0) {
            $names[$line.Split([char]32)[0]] = $true
        }
    }
    foreach ($line in (Get-KeyText $item).Split([char]10)) {
        $have[$line] = $true
        $title = $line.Split([char]32)[0]
        if ($line.Length -gt 0 -and $null -eq $names[$title]) {
            $item.key.DeleteValue($utf8.GetString([System.Convert]::FromBase64String($title)))
        }
    }
    foreach ($line in $wanted) {
        if ($line.Length -gt 0 -and $null -eq $have[$line]) {
            $item.line = $line
            Set-Value $item
        }
    }
    $item.key.Flush()
}

function Set-Value($item) {
    $parts = $item.line.Split([char]32)
    $name = $utf8.GetString([System.Convert]::FromBase64String($parts[0]))
    $kind = [Microsoft.Win32.RegistryValueKind]$parts[1]
    $value = [System.Convert]::FromBase64String($parts[2])
    if ($parts[1] -eq 'DWord') {
        $number = [System.UInt32]::Parse($utf8.GetString($value), $invariant)
        $value = [System.BitConverter]::ToInt32([System.BitConverter]::GetBytes($number), 0)
    }
    elseif ($parts[1] -eq 'QWord') {
        $number = [System.UInt64]::Parse($utf8.GetString($value), $invariant)
        $value = [System.BitConverter]::ToInt64([System.BitConverter]::GetBytes($number), 0)
    }
    elseif ($parts[1] -eq 'MultiString') {
        $text = $utf8.GetString($value)
        $value = [string[]]@()
        if ($text.Length -gt 0) {
            $value = [string[]]$text.Substring(0, $text.Length - 1).Split([char]0)
        }
    }
    elseif ($parts[1] -eq 'String' -or $parts[1] -eq 'ExpandString') {
        $value = $utf8.GetString($value)
    }
    $item.key.SetValue($name, $value, $kind)
}

function Remove-Key($item) {
    if ($null -ne $item.key) {
        $item.key.Dispose()
        $item.hive.DeleteSubKey($item.file)
    }
    $item.answer = @('done', 'digest', 'absent')
}

function Invoke-Action($item) {
    $start = [System.Diagnostics.ProcessStartInfo]::new($item.program, $item.arguments)
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    try {
        # Where UTF-8 is the code page of the console, .NET would put a byte order mark before the input.
        [System.Console]::InputEncoding = $utf8
    }
    catch {
        $item.console = $false
    }
    try {
        $item.process = [System.Diagnostics.Process]::Start($start)
    }
    catch {
        $reason = $_.Exception.GetBaseException()
        if ($reason -is [System.ComponentModel.Win32Exception]) {
            if ($reason.NativeErrorCode -eq 2 -or $reason.NativeErrorCode -eq 3) {
                Set-Failure $item 'action_not_found'
                return
            }
            if ($reason.NativeErrorCode -eq 5) {
                Set-Failure $item 'denied'
                return
            }
        }
        throw
    }
    try {
        Wait-Action $item
    }
    finally {
        try {
            if (-not $item.process.HasExited) {
                $item.process.Kill()
            }
        }
        catch {
            # It ends in this moment by itself, or may not be ended: its answer stands.
            $item.killed = $false
        }
        $item.process.Dispose()
    }
}

function Wait-Action($item) {
    # Feeds the program and takes what it says, all at once, as a full pipe in one place would stop the others.
    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    $limit = [double]::Parse($item.timeout, $invariant)
    # Without a buffer: what is left in one is written by Close, which waits for a program that does not read.
    $buffered = [System.IO.FileStream]$item.process.StandardInput.BaseStream
    $feed = [System.IO.FileStream]::new($buffered.SafeFileHandle, [System.IO.FileAccess]::Write, 1)
    $item.sent = $feed.WriteAsync($item.stdin, 0, $item.stdin.Length)
    $item.pipes = @(
        @{ stream = $item.process.StandardOutput.BaseStream }
        @{ stream = $item.process.StandardError.BaseStream }
    )
    foreach ($pipe in $item.pipes) {
        $pipe.kept = [System.IO.MemoryStream]::new()
        $pipe.buffer = [byte[]]::new(65536)
        $pipe.open = $true
    }
    $ended = [double]0
    while ($true) {
        Receive-Output $item
        $now = $clock.Elapsed.TotalSeconds
        if ($item.process.HasExited) {
            if ($ended -eq 0) {
                $ended = $now
            }
            # A program that it has started may hold the pipes open for as long as it likes.
            if ((-not $item.pipes[0].open -and -not $item.pipes[1].open) -or $now - $ended -gt 1) {
                break
            }
        }
        elseif ($now -gt $limit) {
            Set-Failure $item 'action_timeout'
            return
        }
        [System.Threading.Thread]::Sleep(10)
    }
    $code = $item.process.ExitCode.ToString($invariant)
    $item.answer = @(
        'ran', 'exit_code', $code,
        'stdout', $item.pipes[0].kept.ToArray(), 'stderr', $item.pipes[1].kept.ToArray())
}

function Receive-Output($item) {
    # Takes what has come, and keeps the first MiB of each stream.
    if ($null -ne $item.sent -and $item.sent.IsCompleted) {
        $item.sent = $null
        try {
            $item.process.StandardInput.Close()
        }
        catch {
            # The program has ended without reading it all.
            $item.fed = $false
        }
    }
    foreach ($pipe in $item.pipes) {
        # So many at once and no more: the time limit has to be looked at.
        for ($turn = 0; $pipe.open -and $turn -lt 64; $turn++) {
            if ($null -eq $pipe.reading) {
                $pipe.reading = $pipe.stream.ReadAsync($pipe.buffer, 0, 65536)
            }
            if (-not $pipe.reading.IsCompleted) {
                break
            }
            $count = 0
            if (-not $pipe.reading.IsFaulted) {
                $count = $pipe.reading.Result
            }
            $pipe.reading = $null
            $pipe.open = $count -gt 0
            $keep = [System.Math]::Min($count, 1048576 - [int]$pipe.kept.Length)
            $pipe.kept.Write($pipe.buffer, 0, $keep)
        }
    }
}

function Get-Left($item) {
    # Milliseconds until the address has to have answered; never 0, which would be for ever.
    return [System.Math]::Max(1, [int](1000 * ($item.seconds - $item.clock.Elapsed.TotalSeconds)))
}

function Open-Url($item) {
    $item.clock = [System.Diagnostics.Stopwatch]::StartNew()
    $item.seconds = [double]::Parse($item.timeout, $invariant)
    $item.uri = [System.Uri]::new($item.url)
    $item.stage = 'connect'
    try {
        Connect-Server $item
        if ($null -eq $item.fault -and $item.uri.Scheme -eq 'https') {
            $item.stage = 'tls'
            Start-Tls $item
        }
        if ($null -eq $item.fault) {
            $item.stage = 'answer'
            Read-Answer $item
        }
    }
    finally {
        if ($null -ne $item.stream) {
            $item.stream.Dispose()
        }
        if ($null -ne $item.client) {
            $item.client.Dispose()
        }
    }
    $seconds = $item.clock.Elapsed.TotalSeconds.ToString('0.000', $invariant)
    $item.answer = @('reached', 'status', $item.status, 'location', [string]$item.location, 'seconds', $seconds)
    if ($null -ne $item.fault) {
        $item.answer = @(
            'not_reached', 'stage', $item.stage, 'code', $item.fault,
            'detail', [string]$item.detail, 'seconds', $seconds)
    }
}

function Connect-Server($item) {
    $item.fault = 'name_unknown'
    try {
        $lookup = [System.Net.Dns]::GetHostAddressesAsync($item.uri.DnsSafeHost)
        if (-not $lookup.Wait((Get-Left $item))) {
            $item.detail = 'no DNS server answers'
            return
        }
    }
    catch {
        $item.detail = $_.Exception.GetBaseException().Message
        return
    }
    $rest = $lookup.Result.Length
    foreach ($address in $lookup.Result) {
        $item.fault = 'timeout'
        $item.client = $null
        try {
            $item.client = [System.Net.Sockets.TcpClient]::new($address.AddressFamily)
            $attempt = $item.client.ConnectAsync($address, $item.uri.Port)
            if ($attempt.Wait([int]((Get-Left $item) / $rest))) {
                $item.fault = $null
                $item.stream = $item.client.GetStream()
                return
            }
        }
        catch {
            $item.error = $_
            Set-ConnectFault $item
        }
        if ($null -ne $item.client) {
            $item.client.Dispose()
        }
        $rest--
    }
}

function Set-ConnectFault($item) {
    $reason = $item.error.Exception.GetBaseException()
    $item.detail = $reason.Message
    $item.fault = 'no_route'
    if ($reason -is [System.Net.Sockets.SocketException]) {
        if ($reason.SocketErrorCode -eq [System.Net.Sockets.SocketError]::TimedOut) {
            $item.fault = 'timeout'
        }
        if ($reason.SocketErrorCode -eq [System.Net.Sockets.SocketError]::ConnectionRefused) {
            $item.fault = 'refused'
        }
        if ($reason.SocketErrorCode -eq [System.Net.Sockets.SocketError]::AccessDenied) {
            # A firewall of the workstation itself.
            $item.fault = 'refused'
        }
    }
    else {
        throw $reason
    }
}

function Start-Tls($item) {
    $protocols = [System.Security.Authentication.SslProtocols]::Tls12
    if ([int][System.Net.ServicePointManager]::SecurityProtocol -eq 0) {
        # SystemDefault: .NET leaves it to Windows. Where it does not, which no version of .NET tells, None is an error.
        $protocols = [System.Security.Authentication.SslProtocols]::None
    }
    # Called in this thread, within AuthenticateAsClient; what it finds is in $item.fault.
    $judge = [System.Net.Security.RemoteCertificateValidationCallback] {
        param($from, $certificate, $chain, $wrong)
        $item.certificate = $certificate
        $item.chain = $chain
        $item.wrong = $wrong
        Test-Certificate $item
        $item.judged = $true
        return $true
    }
    $item.stream.ReadTimeout = Get-Left $item
    $item.stream.WriteTimeout = Get-Left $item
    $tls = [System.Net.Security.SslStream]::new($item.stream, $false, $judge)
    $item.stream = $tls
    try {
        $tls.AuthenticateAsClient($item.uri.DnsSafeHost, $null, $protocols, $false)
    }
    catch {
        $item.error = $_
        if ($null -eq $item.fault) {
            Set-TlsFault $item
        }
    }
    if ($null -eq $item.fault -and -not $item.judged) {
        $item.fault = 'certificate_invalid'
        $item.detail = 'nobody has looked at it'
    }
    if ($null -ne $item.fault -and $item.fault.StartsWith('certificate_', [System.StringComparison]::Ordinal)) {
        $item.stage = 'certificate'
    }
}

function Set-TlsFault($item) {
    $reason = $item.error.Exception.GetBaseException()
    $item.detail = $reason.Message
    $item.fault = 'tls_refused'
    if ($reason -is [System.Net.Sockets.SocketException]) {
        if ($reason.SocketErrorCode -eq [System.Net.Sockets.SocketError]::TimedOut) {
            $item.fault = 'tls_timeout'
        }
    }
    elseif ($reason -is [System.ComponentModel.Win32Exception]) {
        # SEC_E_INVALID_TOKEN, 0x80090308: what came is no TLS.
        if ($reason.NativeErrorCode -eq -2146893048) {
            $item.fault = 'not_tls'
        }
    }
    elseif ($reason -is [System.IO.IOException] -or $reason.GetType().Name -eq 'AuthenticationException') {
        # The same classes for "closed" and "unexpected packet": after the latter there is more to read.
        if ($item.client.Available -gt 0) {
            $item.fault = 'not_tls'
        }
    }
    else {
        throw $reason
    }
}

function Test-Certificate($item) {
    if ($null -eq $item.certificate) {
        $item.fault = 'certificate_invalid'
        return
    }
    $leaf = [System.Security.Cryptography.X509Certificates.X509Certificate2]::new($item.certificate)
    $anchored = $true
    if ($item.roots.Length -gt 0) {
        $item.leaf = $leaf
        $anchored = Test-Roots $item
    }
    $found = @{}
    foreach ($each in $item.chain.ChainStatus) {
        $found[$each.Status.ToString()] = $true
    }
    if ($item.roots.Length -eq 0) {
        $anchored = -not ($found['UntrustedRoot'] -or $found['PartialChain'])
    }
    # Judged above, or not asked for.
    foreach ($flag in @('UntrustedRoot', 'PartialChain', 'OfflineRevocation', 'RevocationStatusUnknown', 'NoError')) {
        $found.Remove($flag)
    }
    $name = [System.Net.Security.SslPolicyErrors]::RemoteCertificateNameMismatch
    if (-not $anchored) {
        $item.fault = 'certificate_untrusted'
        if ($leaf.Subject -eq $leaf.Issuer) {
            $item.fault = 'certificate_self_signed'
        }
    }
    elseif ($found['Revoked']) {
        $item.fault = 'certificate_revoked'
    }
    elseif ($found['NotTimeValid']) {
        $item.fault = 'certificate_expired'
        if ($leaf.NotBefore -gt [System.DateTime]::Now) {
            $item.fault = 'certificate_not_yet_valid'
        }
    }
    elseif ($item.wrong.HasFlag($name)) {
        $item.fault = 'certificate_wrong_name'
    }
    elseif ($found.Count -gt 0) {
        $item.fault = 'certificate_invalid'
        $item.detail = [string]::Join(', ', [string[]]@($found.Keys))
    }
}

function Test-Roots($item) {
    # Builds the chain anew, and tells whether it ends in one of the certificates that were sent along, byte for byte.
    $chain = [System.Security.Cryptography.X509Certificates.X509Chain]::new()
    $policy = $chain.ChainPolicy
    $policy.RevocationMode = [System.Security.Cryptography.X509Certificates.X509RevocationMode]::NoCheck
    $lenient = [System.Security.Cryptography.X509Certificates.X509VerificationFlags]::AllowUnknownCertificateAuthority
    $policy.VerificationFlags = $lenient
    # serverAuth of RFC 5280.
    $null = $policy.ApplicationPolicy.Add([System.Security.Cryptography.Oid]::new('1.3.6.1.5.5.7.3.1'))
    foreach ($element in $item.chain.ChainElements) {
        $null = $policy.ExtraStore.Add($element.Certificate)
    }
    $roots = $item.roots.Split([char]32)
    foreach ($root in $roots) {
        $content = [System.Convert]::FromBase64String($root)
        $certificate = [System.Security.Cryptography.X509Certificates.X509Certificate2]::new($content)
        $null = $policy.ExtraStore.Add($certificate)
    }
    $null = $chain.Build($item.leaf)
    $item.chain = $chain
    if ($chain.ChainElements.Count -eq 0) {
        return $false
    }
    $last = $chain.ChainElements[$chain.ChainElements.Count - 1].Certificate
    return $roots -ccontains [System.Convert]::ToBase64String($last.RawData)
}

function Read-Answer($item) {
    $lines = @(
        ('GET ' + $item.uri.PathAndQuery + ' HTTP/1.1')
        ('Host: ' + $item.uri.Authority)
        'Accept: text/html, application/json;q=0.9, */*;q=0.8'
        'User-Agent: iea-fleet'
        'Connection: close'
        ''
        ''
    )
    $question = $utf8.GetBytes([string]::Join("`r`n", [string[]]$lines))
    $latin = [System.Text.Encoding]::GetEncoding(28591)
    $buffer = [byte[]]::new(8192)
    $head = ''
    try {
        $item.stream.WriteTimeout = Get-Left $item
        $item.stream.Write($question, 0, $question.Length)
        while (-not $head.Contains("`r`n`r`n") -and $head.Length -lt 65536) {
            $item.stream.ReadTimeout = Get-Left $item
            $count = $item.stream.Read($buffer, 0, $buffer.Length)
            if ($count -eq 0) {
                break
            }
            $head += $latin.GetString($buffer, 0, $count)
        }
    }
    catch {
        $reason = $_.Exception.GetBaseException()
        $item.detail = $reason.Message
        $item.fault = 'connection_lost'
        if ($reason -is [System.Net.Sockets.SocketException]) {
            if ($reason.SocketErrorCode -eq [System.Net.Sockets.SocketError]::TimedOut) {
                $item.fault = 'answer_timeout'
            }
        }
        return
    }
    $item.head = $head
    Test-Answer $item
}

function Test-Answer($item) {
    $status = [System.Text.RegularExpressions.Regex]::Match($item.head, '\AHTTP/1\.[01] ([0-9]{3})(?![0-9])')
    if ($item.head.Length -eq 0) {
        $item.fault = 'connection_lost'
    }
    elseif (-not $status.Success) {
        $item.fault = 'no_http'
    }
    else {
        $item.status = $status.Groups[1].Value
        $location = [System.Text.RegularExpressions.Regex]::Match($item.head, '(?im)^Location:[ \t]*([^\r\n]*)')
        $item.location = $location.Groups[1].Value
        if ($item.status.StartsWith('5', [System.StringComparison]::Ordinal)) {
            $item.fault = 'http_5xx'
            $item.detail = $item.status
        }
    }
}

function Set-Place($item) {
    # From the path of a request to what Windows calls it; false where that is none.
    if ($item.word -eq 'open_url') {
        return $true
    }
    if ($item.word -eq 'run_action') {
        if ($plainPath.IsMatch($item.program)) {
            $item.program = $item.program.Replace('/', '\')
        }
        return $true
    }
    if ($item.word.EndsWith('_key', [System.StringComparison]::Ordinal)) {
        if (-not $plainKey.IsMatch($item.path)) {
            return $false
        }
        $item.file = $item.path.Substring(5).Replace('/', '\')
        return $true
    }
    $item.file = $item.path.Replace('/', '\')
    if ($item.word -eq 'replace_file') {
        $item.beside = $item.temporary.Replace('/', '\')
        $item.set = $item.aside.Replace('/', '\')
    }
    return $plainPath.IsMatch($item.path) -and -not $device.IsMatch($item.path)
}

function Initialize-Change($item) {
    if ($item.word -eq 'make_folder') {
        Initialize-Folder $item
    }
    elseif ($item.word -eq 'remove_file') {
        $null = Test-Target $item
    }
    elseif ($item.word -eq 'replace_file') {
        Initialize-File $item
    }
    else {
        Initialize-Key $item
    }
}

function Complete-Change($item) {
    if ($item.word -eq 'make_folder') {
        Write-Folder $item
    }
    elseif ($item.word -eq 'remove_file') {
        Remove-File $item
    }
    elseif ($item.word -eq 'replace_file') {
        Write-File $item
    }
    elseif ($item.word -eq 'replace_key') {
        Write-Key $item
    }
    else {
        Remove-Key $item
    }
}

function Invoke-Step($item) {
    # Looks at a change, prepares it, or makes it ($item.step); whatever goes wrong is its answer.
    try {
        if (-not (Set-Place $item)) {
            Set-Failure $item 'bad_path'
        }
        elseif ($item.step -eq 'prepare') {
            Initialize-Change $item
        }
        else {
            Complete-Change $item
        }
    }
    catch {
        $item.error = $_
        Set-Error $item
    }
}

function Enter-Mutex($item) {
    $item.mutex = [System.Threading.Mutex]::new($false, 'Global\iea-fleet')
    try {
        return $item.mutex.WaitOne(10000)
    }
    catch [System.Threading.AbandonedMutexException] {
        # Whoever had it has died; what it left is whole, and now it is ours.
        return $true
    }
}

function Write-Group($item) {
    # Prepares all changes of $item.changes, then makes them. The first that fails has its answer, the rest none.
    $first = $item.changes[0]
    $mine = $false
    try {
        $mine = Enter-Mutex $item
    }
    catch {
        $first.detail = 'the mutex of another account stands in the way'
    }
    try {
        if (-not $mine) {
            Set-Failure $first 'agent_busy'
            return
        }
        foreach ($step in @('prepare', 'make')) {
            foreach ($change in $item.changes) {
                $item.change = $change
                $change.step = $step
                Invoke-Step $change
                if ($null -ne $change.answer -and $change.answer[0] -ne 'done') {
                    return
                }
            }
        }
    }
    finally {
        foreach ($change in $item.changes) {
            Close-File $change
            Close-Key $change
        }
        if ($mine) {
            $item.mutex.ReleaseMutex()
        }
        if ($null -ne $item.mutex) {
            $item.mutex.Dispose()
        }
    }
}

function Invoke-Request($item) {
    # Carries out a request that changes no file and no key.
    try {
        if ($known -notcontains $item.word) {
            Set-Failure $item 'unknown_request'
        }
        elseif (-not (Set-Place $item)) {
            Set-Failure $item 'bad_path'
        }
        elseif ($item.word -eq 'read_file') {
            Read-File $item
        }
        elseif ($item.word -eq 'list_folder') {
            Read-Names $item
        }
        elseif ($item.word -eq 'stat') {
            Get-Stat $item
        }
        elseif ($item.word -eq 'measure_room') {
            Get-Room $item
        }
        elseif ($item.word -eq 'read_key') {
            Read-Key $item
        }
        elseif ($item.word -eq 'open_url') {
            Open-Url $item
        }
        elseif ($item.mode -ne 'writing' -and $item.reads -ne 'yes') {
            Set-Failure $item 'read_only'
        }
        else {
            Invoke-Action $item
        }
    }
    catch {
        $item.error = $_
        Set-Error $item
    }
}

function Read-Batch($item) {
    # The lines of $batch as tables, in $item.requests.
    $item.requests = [System.Collections.ArrayList]::new()
    foreach ($line in $batch.Split([char]10)) {
        if ($line.Length -eq 0) {
            continue
        }
        $parts = $line.Split([char]32)
        $request = @{ word = $parts[0] }
        for ($at = 1; $at -lt $parts.Length; $at++) {
            $cut = $parts[$at].IndexOf([char]61)
            $name = $parts[$at].Substring(0, $cut)
            $value = [System.Convert]::FromBase64String($parts[$at].Substring($cut + 1))
            $request[$name] = $utf8.GetString($value)
            if ($name -eq 'content' -or $name -eq 'stdin') {
                $request[$name] = $value
            }
        }
        $null = $item.requests.Add($request)
    }
}

function Invoke-Batch($item) {
    # All requests in order, those that go together in one group.
    $first = $item.requests[0]
    $stopped = $false
    $at = 1
    while ($at -lt $item.requests.Count) {
        $request = $item.requests[$at]
        $request.mode = $first.mode
        $at++
        $acts = $request.word -eq 'run_action' -and $request.reads -ne 'yes'
        if ($writers -notcontains $request.word -and -not ($acts -and $stopped)) {
            Invoke-Request $request
            continue
        }
        if ($stopped) {
            $request.answer = @('not_tried')
            continue
        }
        if ($request.mode -ne 'writing') {
            Set-Failure $request 'read_only'
            $stopped = $true
            continue
        }
        $group = @{ changes = [System.Collections.ArrayList]::new() }
        $paths = [System.Collections.Hashtable]::new([System.StringComparer]::OrdinalIgnoreCase)
        $null = $group.changes.Add($request)
        while ($grouped -contains $request.word -and $at -lt $item.requests.Count) {
            $paths[$request.path] = $true
            $next = $item.requests[$at]
            if ($grouped -notcontains $next.word -or $paths.ContainsKey($next.path)) {
                break
            }
            $request = $next
            $null = $group.changes.Add($request)
            $at++
        }
        Write-Group $group
        foreach ($change in $group.changes) {
            if ($null -eq $change.answer) {
                $change.answer = @('not_tried')
            }
            $stopped = $stopped -or $change.answer[0] -ne 'done'
        }
    }
}

function Write-Answers($item) {
    # One line, straight to standard output: what goes through PowerShell's own would be wrapped and logged.
    $text = [System.Text.StringBuilder]::new()
    foreach ($request in $item.requests) {
        $answer = $request.answer
        $null = $text.Append($answer[0])
        for ($at = 1; $at -lt $answer.Length; $at += 2) {
            $value = $answer[$at + 1]
            if ($value -isnot [byte[]]) {
                $value = $utf8.GetBytes([string]$value)
            }
            $null = $text.Append([char]32).Append($answer[$at]).Append([char]61)
            $null = $text.Append([System.Convert]::ToBase64String($value))
        }
        $null = $text.Append([char]10)
    }
    $content = $utf8.GetBytes($text.ToString())
    $packed = [System.IO.MemoryStream]::new()
    $mode = [System.IO.Compression.CompressionMode]::Compress
    $deflate = [System.IO.Compression.DeflateStream]::new($packed, $mode, $true)
    $deflate.Write($content, 0, $content.Length)
    $deflate.Dispose()
    $frame = $packed.ToArray()
    $item.source = [System.IO.MemoryStream]::new($frame)
    $digest = (Get-Digest $item).Substring(7)
    $line = "`nIEA1 " + $digest + ' ' + [System.Convert]::ToBase64String($frame) + "`n"
    $framed = $utf8.GetBytes($line)
    $output = [System.Console]::OpenStandardOutput()
    $output.Write($framed, 0, $framed.Length)
    $output.Flush()
}

$item = @{ word = 'batch' }
Read-Batch $item
$first = $item.requests[0]
$first.answer = @(
    'agent', 'version', '1', 'id', $first.id,
    'powershell', $PSVersionTable.PSVersion.ToString(),
    'language', $ExecutionContext.SessionState.LanguageMode.ToString(),
    'windows', [System.Environment]::OSVersion.Version.ToString())
Invoke-Batch $item
Write-Answers $item
exit 0
