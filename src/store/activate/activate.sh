# Created by matenv. Pins the activated shell to one generation and hides the libraries of other programs.
_matenv_store=@STORE@
if [ -z "${_MATENV_SAVED_@ID@+x}" ]; then
  # With --stack, conda runs this again without deactivating first. The user's values are saved by then.
  export _MATENV_SAVED_@ID@=1
  for _matenv_name in LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONHOME ORT_DISABLE_TELEMETRY PYTHONNOUSERSITE; do
    eval "_matenv_set=\${$_matenv_name+x}"
    if [ -n "$_matenv_set" ]; then
      eval "export _MATENV_SAVED_@ID@_$_matenv_name=\"\${$_matenv_name}\""
    else
      unset "_MATENV_SAVED_@ID@_$_matenv_name"
    fi
  done
fi
unset LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONHOME
export ORT_DISABLE_TELEMETRY=1 PYTHONNOUSERSITE=1
_matenv_path=":${PATH-}:"
for _matenv_link in @LINKS@; do
  while :; do
    case "$_matenv_path" in
      *":$_matenv_link/bin:"*) ;;
      *) break ;;
    esac
    _matenv_path=${_matenv_path%%":$_matenv_link/bin:"*}:$_matenv_store/bin:${_matenv_path#*":$_matenv_link/bin:"}
    export _MATENV_SAVED_@ID@_LINK="$_matenv_link"
  done
  if [ "${CONDA_PREFIX-}" = "$_matenv_link" ]; then
    export _MATENV_SAVED_@ID@_PREFIX="$_matenv_link" CONDA_PREFIX="$_matenv_store"
  fi
done
if [ "$_matenv_path" != ":${PATH-}:" ]; then
  _matenv_path=${_matenv_path#:}
  export PATH="${_matenv_path%:}"
fi
unset _matenv_store _matenv_name _matenv_set _matenv_path _matenv_link
