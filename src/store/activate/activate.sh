# Made by matenv. An activated shell keeps to one generation and sees no other program's libraries.
_matenv_store=@STORE@
_matenv_depth=$((${_MATENV_DEPTH_@ID@:-0} + 1))
export _MATENV_DEPTH_@ID@="$_matenv_depth"
if [ "$_matenv_depth" -eq 1 ]; then
  for _matenv_name in LD_LIBRARY_PATH LD_PRELOAD PYTHONPATH PYTHONHOME ORT_DISABLE_TELEMETRY PYTHONNOUSERSITE; do
    eval "_matenv_set=\${$_matenv_name+x}"
    if [ -n "$_matenv_set" ]; then
      eval "export _MATENV_@ID@_$_matenv_name=\"\${$_matenv_name}\""
    else
      unset "_MATENV_@ID@_$_matenv_name"
    fi
    unset "$_matenv_name"
  done
  export ORT_DISABLE_TELEMETRY=1 PYTHONNOUSERSITE=1
fi
_matenv_path=":$PATH:"
for _matenv_link in @LINKS@; do
  case "$_matenv_path" in
    *":$_matenv_link/bin:"*)
      _matenv_path="${_matenv_path%%":$_matenv_link/bin:"*}:$_matenv_store/bin:${_matenv_path#*":$_matenv_link/bin:"}"
      ;;
  esac
  if [ "${CONDA_PREFIX:-}" = "$_matenv_link" ]; then
    export CONDA_PREFIX="$_matenv_store"
  fi
done
_matenv_path="${_matenv_path#:}"
export PATH="${_matenv_path%:}"
unset _matenv_store _matenv_depth _matenv_name _matenv_set _matenv_path _matenv_link
