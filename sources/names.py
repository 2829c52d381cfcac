"""Names of people and streets, in Arabic and in the Latin spelling that most systems hold."""

# (Latin, Arabic)
MALE_NAMES = (
    ("Mohamed", "محمد"), ("Ahmed", "أحمد"), ("Mahmoud", "محمود"), ("Mostafa", "مصطفى"), ("Omar", "عمر"),
    ("Youssef", "يوسف"), ("Karim", "كريم"), ("Khaled", "خالد"), ("Hassan", "حسن"), ("Amr", "عمرو"),
    ("Tarek", "طارق"), ("Ibrahim", "إبراهيم"), ("Mina", "مينا"), ("Peter", "بيتر"), ("Sherif", "شريف"),
)  # fmt: skip
FEMALE_NAMES = (
    ("Fatma", "فاطمة"), ("Mona", "منى"), ("Nour", "نور"), ("Aya", "آية"), ("Sara", "سارة"),
    ("Heba", "هبة"), ("Mariam", "مريم"), ("Salma", "سلمى"), ("Dina", "دينا"), ("Yasmin", "ياسمين"),
    ("Rania", "رانيا"), ("Amal", "أمل"), ("Marina", "مارينا"), ("Habiba", "حبيبة"), ("Esraa", "إسراء"),
)  # fmt: skip
FAMILY_NAMES = (
    ("Hassan", "حسن"), ("Ali", "علي"), ("El Sayed", "السيد"), ("Abdel Rahman", "عبد الرحمن"), ("Fathy", "فتحي"),
    ("Mansour", "منصور"), ("Gamal", "جمال"), ("Farouk", "فاروق"), ("Zaki", "زكي"), ("Naguib", "نجيب"),
    ("Shaheen", "شاهين"), ("Soliman", "سليمان"), ("Ramadan", "رمضان"), ("Girgis", "جرجس"), ("Abdallah", "عبد الله"),
    ("Osman", "عثمان"), ("Khalil", "خليل"), ("Saad", "سعد"), ("El Masry", "المصري"), ("Botros", "بطرس"),
)  # fmt: skip
STREETS = (
    ("Tahrir St.", "شارع التحرير"), ("El Nasr Road", "طريق النصر"), ("Salah Salem St.", "شارع صلاح سالم"),
    ("El Geish St.", "شارع الجيش"), ("Corniche Road", "طريق الكورنيش"), ("Port Said St.", "شارع بورسعيد"),
    ("Saad Zaghloul St.", "شارع سعد زغلول"), ("Ramses St.", "شارع رمسيس"), ("El Gomhoreya St.", "شارع الجمهورية"),
)  # fmt: skip
