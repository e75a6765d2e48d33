# Completion of ngc and ngc-registry for PowerShell.
Register-ArgumentCompleter -Native -CommandName ngc, ngc-cli, ngc-registry -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object { $_.ToString() })
    $program, $words = $words
    $last = if ($wordToComplete) { $wordToComplete } else { '""' }
    $answer = @(& $program __complete powershell @words $last 2>$null)
    $answer | Select-Object -Skip 1 | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        $text = if ($help) { $help } else { $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $text)
    }
}
