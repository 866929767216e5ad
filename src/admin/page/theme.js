/** Light, dark, or as the system has it; kept for the next visit. */
const KEPT = 'grpc-verbatim theme'

export function followTheme() {
  const root = document.documentElement
  const kept = localStorage.getItem(KEPT)
  for (const input of document.querySelectorAll('input[name="theme"]')) {
    if (input.value === kept) input.checked = true
    input.addEventListener('change', () => {
      root.dataset.theme = input.value
      localStorage.setItem(KEPT, input.value)
    })
  }
  root.dataset.theme = document.querySelector('input[name="theme"]:checked').value
}
