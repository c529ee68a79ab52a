# Made by matenv. An activated shell keeps to one generation and sees no other program's libraries.
set -l store @STORE@
if not set -q _MATENV_SAVED_@ID@
    # conda runs this again without deactivating in between (--stack): what is aside by then is not the user's.
    set -gx _MATENV_SAVED_@ID@ 1
    for name in LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONHOME ORT_DISABLE_TELEMETRY PYTHONNOUSERSITE
        if set -q $name
            set -gx _MATENV_SAVED_@ID@_$name $$name
        else
            set -e -g _MATENV_SAVED_@ID@_$name
        end
    end
end
for name in LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONHOME
    set -e -g $name
    # A universal variable is the user's in every shell: it is hidden here, not erased.
    if set -q -U $name
        set -g --unexport $name
    end
end
set -gx ORT_DISABLE_TELEMETRY 1
set -gx PYTHONNOUSERSITE 1
for link in @LINKS@
    while set -l at (contains -i -- $link/bin $PATH)
        set PATH[$at] $store/bin
        set -gx _MATENV_SAVED_@ID@_LINK $link
    end
    if test "$CONDA_PREFIX" = "$link"
        set -gx _MATENV_SAVED_@ID@_PREFIX $link
        set -gx CONDA_PREFIX $store
    end
end
