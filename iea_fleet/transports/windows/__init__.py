r"""The agent: one constant PowerShell script that carries out batches of requests on a Windows workstation.

**The command line** is constant: ``powershell.exe -NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass
-EncodedCommand`` and the base64 of ``bootstrap.ps1`` in UTF-16LE. No setting is ever part of it, or of any script.

**Standard input** is ASCII: a line ``IEA1 <sha256>``, then base64 in lines of at most 1,000 characters. The base64 is
that of a raw deflate stream (RFC 1951), the SHA-256 (lower case hexadecimal) that of the deflated bytes. Inflated it is
``agent.ps1``, a NUL, and the batch. The bootstrap prints ``IEA1-90`` and ends with 90 when the digest does not hold,
``IEA1-91`` and 91 in Constrained Language Mode: where PowerShell is the default shell of OpenSSH, each exit code but 0
arrives as 1 (PowerShell/PowerShell issue 13501).

**The batch** is UTF-8 lines, each ended by a line feed: a word, then fields ``name=base64``, all parted by one blank.
A field is text in UTF-8 or bytes as they stand; numbers are decimal, truth is ``yes`` or ``no``. First the line
``batch id=… mode=…`` (``read_only`` or ``writing``), then one line for each request, in order::

    read_file path limit                       measure_room path
    list_folder path                           make_folder path private
    stat path                                  remove_file path expected
    replace_file path content expected temporary aside private
    run_action program arguments stdin timeout reads
    open_url url timeout roots                 (roots: the DER of each trusted certificate in base64, parted by blanks;
                                               none: what Windows trusts)
    read_key path limit                        replace_key path content expected
    remove_key path expected

Paths are ``C:/…``. ``temporary`` is where the new content is written (beside ``path``), ``aside`` where
``[IO.File]::Replace`` puts the old one (in the private folder); neither outlives the request. ``arguments`` is one
string, quoted by the rules of the C runtime. Digests are ``sha256:<hex>`` or ``absent``.

**A registry key** has the path ``HKLM/…`` and counts as a file. Its content is one ASCII line for each value, sorted
by the bytes of the whole line, each ended by a line feed: ``<base64 of the name, UTF-8> <kind> <base64 of the data>``.
Kinds are those of .NET: ``String`` and ``ExpandString`` (UTF-8, unexpanded), ``MultiString`` (each ended by a NUL),
``DWord`` and ``QWord`` (unsigned decimal), ``Binary`` and ``None`` (bytes). Subkeys are no part of it and stay.

**Standard output** has one line ``IEA1 <sha256> <base64>``, made as above; all else, and standard error, is noise.
Inflated: ``agent version=1 id=… powershell=… language=… windows=…`` and then one line for each request, whose word is
the class of the answer::

    content content    absent    names names (each ended by a NUL)    done digest    moved found    not_tried
    is kind size owner shared modified (seconds since 1970)           room free      ran exit_code stdout stderr
    reached status location seconds            not_reached stage code detail seconds
    failed code detail (and for too_large: size limit)

The codes of ``failed``, a closed set: ``busy denied disk_full no_folder is_folder not_a_folder is_link too_large
bad_path read_only agent_busy changed_since action_not_found action_timeout shared_folder unknown_request error``. What
each means to a person stands in ``answers.py``. Those of ``not_reached`` are the ones of ``transports.url``.

Consecutive ``replace_file`` and ``replace_key`` of different paths are one group: all are looked at and prepared first,
and if one cannot be, none is made. Once a writing request (never ``run_action``) is not ``done``, those after it are
``not_tried``, and so is each ``run_action`` that is not said to read. All writing of a group happens under the
machine-wide mutex ``Global\iea-fleet``, waited for 10 s (``agent_busy``).
"""
